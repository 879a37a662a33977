package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/node"
)

// configActions are what the command config does, in the order of its help page.
var configActions = []string{"show", "check", "init"}

func configCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:      "config",
		Usage:     "show, check or begin the config file of a node",
		ArgsUsage: "show|check|init [FILE]",
		Description: describe("show prints each setting that a node started here and now would have, with where it comes\n"+
			"from: flag, env, file:line or default, passwords masked. check [FILE] starts nothing and lists all mistakes of\n"+
			"the file, and of flags and environment beside it or without one, at once. init prints a file to begin with.",
			"mkdir -p ~/.config/peermesh && peermesh config init > ~/.config/peermesh/config.toml",
			"peermesh config check /etc/peermesh/config.toml",
			"peermesh config show --json"),
		Flags:  nodeFlags(),
		Action: func(c *cli.Context) error { return config(c, std) },
	}
}

func config(c *cli.Context, std streams) error {
	if err := wantWords(c, strings.Join(configActions, "|"), "[FILE]"); err != nil {
		return err
	}
	action := c.Args().First()
	if c.NArg() > 1 && action != "check" {
		return &usageError{command: "config", text: fmt.Sprintf("config %s does not know what to do with %q", action, c.Args().Get(1))}
	}
	switch action {
	case "show":
		return showConfig(c, std)
	case "check":
		return checkConfig(c, std)
	case "init":
		return initConfig(std.out)
	}
	return &usageError{command: "config", text: fmt.Sprintf("unknown action %q: want one of %s", action, strings.Join(configActions, ", "))}
}

// checkConfig tells all mistakes that would keep a node from being started.
func checkConfig(c *cli.Context, std streams) error {
	if file := c.Args().Get(1); file != "" {
		if err := c.Set("config", file); err != nil {
			return err
		}
	}
	warnOfVariables(std.err)
	cfg, s, err := nodeSettings(c, std)
	warnOfConfig(std.err, &cfg)
	if err != nil {
		return err
	}
	if s.file == "" {
		fmt.Fprintln(std.err, "flags and environment: no mistakes; there is no config file")
		return nil
	}
	fmt.Fprintf(std.err, "%s: no mistakes\n", s.file)
	return nil
}

// showConfig prints what is right even if something else is wrong.
func showConfig(c *cli.Context, std streams) error {
	warnOfVariables(std.err)
	s, err := settle(c)
	s.warn(std.err)
	wrong := s.gather(err)
	write := settingsText
	if c.Bool("json") {
		write = settingsJSON
	}
	if err := write(std.out, c, s); err != nil {
		return err
	}
	return wrong
}

// settingsText prints lines that a config file may hold.
func settingsText(w io.Writer, c *cli.Context, s *settings) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, x := range s.all {
		line := "# " + x.name + " is not set"
		if v := x.value(c); v != nil {
			var err error
			if line, err = tomlLine(x.name, v); err != nil {
				return err
			}
		}
		fmt.Fprintf(t, "%s\t# %s\n", line, x.where())
	}
	return t.Flush()
}

func settingsJSON(w io.Writer, c *cli.Context, s *settings) error {
	for _, x := range s.all {
		line := settingLine{V: jsonVersion, Key: x.name, Value: x.value(c), Origin: x.origin, Detail: x.detail}
		if err := printJSON(w, line); err != nil {
			return err
		}
	}
	return nil
}

// value is what the setting has, as TOML and JSON know it; nil: what stands for
// no value and cannot be written.
func (s *setting) value(c *cli.Context) any {
	switch s.kind {
	case kindTruth:
		return c.Bool(s.name)
	case kindList:
		shown := []string{}
		for _, text := range list(c, s.name) {
			shown = append(shown, secret.URL(text).String())
		}
		return shown
	case kindNumber:
		if n := get[int](c, s.name); trySetting(s.name, fmt.Sprint(n)) == nil {
			return n
		}
		return nil
	}
	if s.name == "proxy" {
		return maskedProxy(c.String(s.name))
	}
	if v, ok := c.Generic(s.name).(fmt.Stringer); ok {
		return v.String()
	}
	return c.String(s.name)
}

// withWebRTC are the settings that have an effect with WebRTC alone.
var withWebRTC = []string{"webrtc-port", "max-webrtc", "webrtc-hide-private", "ice"}

// initConfig prints a file in which every setting is commented out, so that it
// changes nothing before somebody changes it. What this program was built without
// is left out.
func initConfig(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Settings of a peermesh node, named as its flags. A flag wins over the environment, that\n" +
		"# over this file. What is commented out has its default.\n")
	for _, f := range nodeFlags() {
		name := f.Names()[0]
		if slices.Contains(noSettings, name) || !node.WebRTCSupported && slices.Contains(withWebRTC, name) {
			continue
		}
		value, comment := defaultOf(f)
		line, err := tomlLine(name, value)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "\n# %s%s\n#%s\n", usageOf(f), comment, line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// defaultOf is a flag's value before anybody gives one. A number whose default
// is that there is none stands as 0, with a comment.
func defaultOf(f cli.Flag) (def any, comment string) {
	switch kindOf(f) {
	case kindTruth:
		return false, ""
	case kindList:
		return []string{}, ""
	case kindNumber:
		n := f.(*cli.GenericFlag).Value.(*value[int]).v
		if trySetting(f.Names()[0], fmt.Sprint(n)) != nil {
			return 0, " (not set by default)"
		}
		return n, ""
	}
	return f.(cli.DocGenerationFlag).GetValue(), ""
}
