package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// The parser below wants flags before positional arguments, takes a mistyped
// command for an argument of the root, and lets a command's flag hide the
// root's flag of the same name. arrange is the one place that deals with all
// three: it finds the command, puts the flags before the words wherever they
// were typed, and refuses what belongs nowhere.

// flagToken is one flag as typed: its name without dashes, and its value.
type flagToken struct {
	typed   string   // as on the command line, up to "="
	flag    cli.Flag // nil: no command knows it
	values  []string // what follows it: nothing, or one value
	starved bool     // it takes a value and has none
}

// name is the flag's first name. Two commands may have a flag of one name each.
func (f flagToken) name() string { return f.flag.Names()[0] }

// arrange returns args in the order that the parser wants: program, command,
// flags, "--", words. With a command, the root's flags are taken off app, so
// that nothing that belongs to a running node touches a command.
func arrange(app *cli.App, args []string) ([]string, error) {
	flags, words := split(allFlags(app), args[1:])
	words, help := askedForHelp(words)
	if help {
		flags = append(flags, flagToken{typed: "--help", flag: cli.HelpFlag})
	}
	cmd, err := commandOf(app, words)
	if err != nil {
		return nil, cmp.Or(checkFlags(rootName, rootFlags(app), flags), err) // "--prot 80": not 80 is the mistake
	}
	note(app, flags)
	if cmd == nil {
		return compose(app, args[:1], rootName, rootFlags(app), flags, nil)
	}
	app.Flags, app.HideVersion = nil, true
	return compose(app, []string{args[0], cmd.Name}, cmd.Name, append(slices.Clone(cmd.Flags), cli.HelpFlag), flags, words[1:])
}

// givenKey is where the app keeps the names of the flags of the command line:
// the parser does not tell them from those of the environment.
const givenKey = "given"

func note(app *cli.App, flags []flagToken) {
	given := make(map[string]bool)
	for _, f := range flags {
		if f.flag != nil {
			given[f.name()] = true
		}
	}
	app.Metadata = map[string]any{givenKey: given}
}

// givenOnLine reports whether the command line gave a flag.
func givenOnLine(c *cli.Context, name string) bool {
	given, _ := c.App.Metadata[givenKey].(map[string]bool)
	return given[name]
}

// wrongKey is where the app keeps the values of line and environment that are
// none, for a command that tells them with the mistakes of the config file.
const wrongKey = "wrong"

// wrongValues are those that judge refused, joined.
func wrongValues(c *cli.Context) error {
	wrong, _ := c.App.Metadata[wrongKey].([]error)
	return errors.Join(wrong...)
}

// rootName is what stands for the command when there is none.
const rootName = ""

// askedForHelp turns "help" and "help COMMAND" into the words without it.
func askedForHelp(words []string) ([]string, bool) {
	if len(words) > 0 && words[0] == "help" {
		return words[1:], true
	}
	return words, false
}

// commandOf returns the command that the first word names; nil without words.
func commandOf(app *cli.App, words []string) (*cli.Command, error) {
	if len(words) == 0 {
		return nil, nil
	}
	if cmd := app.Command(words[0]); cmd != nil {
		return cmd, nil
	}
	err := &usageError{text: fmt.Sprintf("unknown command %q", words[0])}
	if s := suggestCommand(app, words[0]); s != "" {
		err.hints = append(err.hints, fmt.Sprintf("did you mean %q?", s))
	}
	return nil, err
}

// suggestCommand returns the command whose name is likest to word.
func suggestCommand(app *cli.App, word string) string {
	sentence := cli.SuggestCommand(app.Commands, word) // Did you mean "send"?
	for _, cmd := range app.Commands {
		if strings.Contains(sentence, strconv.Quote(cmd.Name)) {
			return cmd.Name
		}
	}
	return ""
}

// rootFlags are those of the program without a command.
func rootFlags(app *cli.App) []cli.Flag {
	return append(slices.Clone(app.Flags), cli.HelpFlag, cli.VersionFlag)
}

// compose checks the flags and writes the line. Help wins over every mistake.
// Values that are none are told at once, or kept for a command that reads a
// config file, which may hold more.
func compose(app *cli.App, line []string, command string, known []cli.Flag, flags []flagToken, words []string) ([]string, error) {
	if slices.ContainsFunc(flags, func(f flagToken) bool { return f.flag == cli.HelpFlag }) {
		return append(line, "--help"), nil
	}
	if err := checkFlags(command, known, flags); err != nil {
		return nil, err
	}
	flags, wrong := judge(command, known, flags)
	if !slices.ContainsFunc(known, func(f cli.Flag) bool { return f.Names()[0] == "config" }) && len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	app.Metadata[wrongKey] = wrong
	for _, f := range flags {
		line = append(line, strings.Join(append([]string{dashed(f.name())}, f.values...), "="))
	}
	if command == rootName {
		return line, nil
	}
	return append(append(line, "--"), words...), nil
}

// checkFlags refuses all flags that are not among those known or that have no
// value.
func checkFlags(command string, known []cli.Flag, flags []flagToken) error {
	var wrong []error
	for _, f := range flags {
		i := slices.IndexFunc(known, func(k cli.Flag) bool { return f.flag != nil && k.Names()[0] == f.name() })
		if i < 0 {
			wrong = append(wrong, unknownFlag(command, known, f))
		} else if f.starved {
			wrong = append(wrong, &usageError{command: command, text: fmt.Sprintf("%s needs a value: %s", f.typed, usageOf(known[i]))})
		}
	}
	return errors.Join(wrong...)
}

// unknownFlag says that a flag is not one of the command's, and what may have
// been meant.
func unknownFlag(command string, known []cli.Flag, f flagToken) error {
	if f.flag != nil && command == rootName {
		return &usageError{text: fmt.Sprintf("%s is a flag of a command, and there is none", f.typed)}
	}
	if f.flag != nil {
		return &usageError{command: command, text: fmt.Sprintf("%s is not a flag of %q", f.typed, command),
			hints: []string{"without a command, peermesh runs a node and takes the node's flags"}}
	}
	err := &usageError{command: command, text: fmt.Sprintf("unknown flag %s", f.typed)}
	if s := cli.SuggestFlag(known, bare(f.typed), true); s != "" {
		err.hints = append(err.hints, fmt.Sprintf("did you mean %s?", s))
	}
	if command != rootName {
		err.hints = append(err.hints, "data that begins with a dash goes behind --")
	}
	return err
}

// allFlags returns every flag of the program by each of its names. A name
// takes a value either in all commands or in none, so whether the next
// argument belongs to a flag can be told before the command is known.
func allFlags(app *cli.App) map[string]cli.Flag {
	all := make(map[string]cli.Flag)
	add := func(flags ...cli.Flag) {
		for _, f := range flags {
			for _, name := range f.Names() {
				all[name] = f
			}
		}
	}
	for _, cmd := range app.Commands {
		add(cmd.Flags...)
	}
	add(app.Flags...)
	add(cli.HelpFlag, cli.VersionFlag)
	return all
}

// split tells flags from words. "--" ends the flags; "-" and numbers below
// zero are words.
func split(all map[string]cli.Flag, args []string) (flags []flagToken, words []string) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return flags, append(words, args...)
		case !looksLikeFlag(all, arg):
			words = append(words, arg)
		default:
			token, rest := takeFlag(all, arg, args)
			flags, args = append(flags, token), rest
		}
	}
	return flags, words
}

// looksLikeFlag tells a flag from data: "-5" and "-.5" are numbers unless a
// flag has such a name.
func looksLikeFlag(all map[string]cli.Flag, arg string) bool {
	if len(arg) < 2 || arg[0] != '-' {
		return false
	}
	isNumber := strings.ContainsRune("0123456789.", rune(arg[1]))
	return !isNumber || all[arg[1:]] != nil
}

// takeFlag reads one flag and its value: "--name=value", "--name value",
// "-n value", "-nvalue" for a short flag that takes one.
func takeFlag(all map[string]cli.Flag, arg string, rest []string) (flagToken, []string) {
	typed, value, hasValue := strings.Cut(arg, "=")
	token := flagToken{typed: typed, flag: all[bare(typed)]}
	switch {
	case token.flag == nil:
		if short, ok := attached(all, arg); ok {
			return short, rest
		}
	case hasValue:
		token.values = []string{value}
	case !takesValue(token.flag):
	case len(rest) == 0 || rest[0] == "--" || isFlagOf(all, rest[0]):
		token.values, token.starved = bareOrStarved(token.flag)
	default:
		token.values, rest = rest[:1], rest[1:]
	}
	return token, rest
}

// bareOrStarved is what a flag stands for whose value is left out, or that it
// needs one.
func bareOrStarved(f cli.Flag) (values []string, starved bool) {
	if text, may := bareValue(f); may {
		return []string{text}, false
	}
	return nil, true
}

// bare returns a flag without its one or two dashes.
func bare(typed string) string { return strings.TrimPrefix(strings.TrimPrefix(typed, "-"), "-") }

// attached reads "-c3" as "-c 3".
func attached(all map[string]cli.Flag, arg string) (flagToken, bool) {
	if strings.HasPrefix(arg, "--") || len(arg) < 3 {
		return flagToken{}, false
	}
	f := all[arg[1:2]]
	if f == nil || !takesValue(f) {
		return flagToken{}, false
	}
	return flagToken{typed: arg[:2], flag: f, values: []string{arg[2:]}}, true
}

// isFlagOf reports whether arg is exactly a flag of the program, which is
// hardly meant to be another flag's value.
func isFlagOf(all map[string]cli.Flag, arg string) bool {
	typed, _, _ := strings.Cut(arg, "=")
	return bare(typed) != typed && all[bare(typed)] != nil
}

// takesValue reports whether a flag is followed by a value.
func takesValue(f cli.Flag) bool {
	doc, ok := f.(cli.DocGenerationFlag)
	return ok && doc.TakesValue()
}

// usageOf returns the help line of a flag.
func usageOf(f cli.Flag) string {
	if doc, ok := f.(cli.DocGenerationFlag); ok {
		return strings.ReplaceAll(doc.GetUsage(), "`", "")
	}
	return ""
}
