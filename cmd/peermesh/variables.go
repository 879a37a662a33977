package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// warnOfVariables tells variables of the environment that look like settings and
// are none. They may be meant for another version, so they are no mistakes.
func warnOfVariables(w io.Writer) {
	all := allFlags(newApp(streams{}, ""))
	known := make(map[string]bool)
	for _, f := range all {
		for _, name := range f.(cli.DocGenerationFlag).GetEnvVars() {
			known[name] = true
		}
	}
	flags := slices.SortedFunc(maps.Values(all), func(a, b cli.Flag) int { return strings.Compare(a.Names()[0], b.Names()[0]) })
	for _, pair := range slices.Sorted(slices.Values(os.Environ())) {
		name, text, _ := strings.Cut(pair, "=")
		if text == "" || !strings.HasPrefix(name, envPrefix) || known[name] {
			continue
		}
		text = "warning: " + name + " is no setting"
		flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, envPrefix), "_", "-"))
		if meant := strings.TrimLeft(cli.SuggestFlag(flags, flag, true), "-"); len(meant) > 1 {
			text += "; did you mean " + envOf(meant) + "?"
		}
		fmt.Fprintln(w, text)
	}
}
