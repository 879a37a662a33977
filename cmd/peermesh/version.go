package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// version is the release that this source is or leads to; see CHANGELOG.md.
const version = "0.1.0"

func versionCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:        "version",
		Usage:       "print the version",
		Description: describe("Prints the version, the Go release it was built with and the platform.", "peermesh version --json"),
		Flags:       []cli.Flag{boolFlag("json", "print JSON")},
		Action:      func(c *cli.Context) error { return printVersion(c, std) },
	}
}

func printVersion(c *cli.Context, std streams) error {
	if err := wantWords(c); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(std.out, versionLine{V: jsonVersion, Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Commit: commit()})
	}
	_, err := fmt.Fprintf(std.out, "peermesh %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// commit is the commit that the binary was built from, where the build says so.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
