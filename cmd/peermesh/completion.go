package main

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

//go:embed completion
var completionScripts embed.FS

// shells maps what the user calls a shell to the script it gets.
var shells = map[string]string{
	"bash": "completion/peermesh.bash", "zsh": "completion/peermesh.zsh",
	"fish": "completion/peermesh.fish", "powershell": "completion/peermesh.ps1",
}

// shellNames are the keys of shells in the order of the help page.
var shellNames = []string{"bash", "zsh", "fish", "powershell"}

func completionCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that completes commands and flags in a shell",
		ArgsUsage: strings.Join(shellNames, "|"),
		Description: describe("Prints the script; where it goes is up to the shell.",
			`source <(peermesh completion bash)`,
			`peermesh completion zsh > "${fpath[1]}/_peermesh"`,
			`peermesh completion fish > ~/.config/fish/completions/peermesh.fish`,
			`peermesh completion powershell | Out-String | Invoke-Expression`),
		Action: func(c *cli.Context) error { return completion(c, std) },
	}
}

func completion(c *cli.Context, std streams) error {
	if err := wantWords(c, "SHELL"); err != nil {
		return err
	}
	file, ok := shells[c.Args().First()]
	if !ok {
		return &usageError{command: c.Command.Name, text: fmt.Sprintf("unknown shell %q: want one of %s", c.Args().First(), strings.Join(shellNames, ", "))}
	}
	script, err := completionScripts.ReadFile(file)
	if err != nil {
		return err
	}
	_, err = std.out.Write(script)
	return err
}

// completionFlag is the last argument by which the scripts ask what may come:
// behind it stands the unfinished word, before it are the finished ones.
const completionFlag = "--complete="

// completionRequest returns the finished words and the unfinished one.
func completionRequest(args []string) (before []string, last string, ok bool) {
	if len(args) < 2 {
		return nil, "", false
	}
	last, ok = strings.CutPrefix(args[len(args)-1], completionFlag)
	return args[1 : len(args)-1], last, ok
}

// The words by which the scripts are told that a file or a directory may stand there:
// the shell knows its own way to offer them.
const (
	anyFile      = ":files"
	anyDirectory = ":dirs"
)

// printCompletions writes what may stand for the last word, one on each line:
// the word, a tab, what it is. Flags come only when the word begins like one.
func printCompletions(app *cli.App, before []string, last string, w io.Writer) {
	for _, c := range completions(app, before, last) {
		isPlace := c.word == anyFile || c.word == anyDirectory
		if isPlace || strings.HasPrefix(c.word, last) && (last != "" || c.word[0] != '-') {
			fmt.Fprintf(w, "%s\t%s\n", c.word, c.meaning)
		}
	}
}

// firstWords are the commands' first arguments, where there are a few.
var firstWords = map[string][]string{"completion": shellNames, "config": configActions, "bench": benchModes}

// candidate is one word that may come next.
type candidate struct{ word, meaning string }

// completions returns what may follow the words before: values where a flag waits for
// one, else flags, and commands where none was given.
func completions(app *cli.App, before []string, last string) []candidate {
	all := allFlags(app)
	flags, words := split(all, before)
	if slices.Contains(before, "--") {
		return nil
	}
	if len(flags) > 0 && flags[len(flags)-1].starved {
		return valueCandidates(flags[len(flags)-1].flag, "")
	}
	if name, _, assigns := strings.Cut(last, "="); assigns && strings.HasPrefix(name, "-") {
		return valueCandidates(all[strings.TrimLeft(name, "-")], name+"=")
	}
	if len(words) == 0 {
		return append(commandCandidates(app), flagCandidates(app.Flags, flags)...)
	}
	return wordCandidates(app, words, flags)
}

// wordCandidates are what may follow the words of a command.
func wordCandidates(app *cli.App, words []string, flags []flagToken) (found []candidate) {
	if words[0] == "help" && len(words) == 1 {
		return commandCandidates(app)[1:]
	}
	cmd := app.Command(words[0])
	if cmd == nil {
		return nil
	}
	found = flagCandidates(cmd.Flags, flags)
	switch {
	case len(words) == 1:
		for _, w := range firstWords[cmd.Name] {
			found = append(found, candidate{w, "argument"})
		}
	case len(words) == 2 && cmd.Name == "config" && words[1] == "check":
		found = append(found, candidate{anyFile, "FILE"})
	}
	return found
}

// valueCandidates are the values of a flag, each behind the prefix: all of them, where
// there are a few, or that a file or a directory is meant.
func valueCandidates(f cli.Flag, prefix string) (found []candidate) {
	if f == nil {
		return nil
	}
	var values []string
	switch f := f.(type) {
	case *cli.BoolFlag:
		values = []string{"true", "false"}
	case *cli.GenericFlag:
		if v, ok := f.Value.(interface{ choices() []string }); ok {
			values = v.choices()
		}
	case cli.DocGenerationFlag:
		switch usage := f.GetUsage(); {
		case strings.Contains(usage, "`FILE`"):
			return []candidate{{anyFile, "FILE"}}
		case strings.Contains(usage, "`DIR`"):
			return []candidate{{anyDirectory, "DIR"}}
		}
	}
	for _, v := range values {
		found = append(found, candidate{prefix + v, "value"})
	}
	return found
}

func commandCandidates(app *cli.App) []candidate {
	all := []candidate{{"help", "the help page, or that of a command"}}
	for _, cmd := range app.Commands {
		all = append(all, candidate{cmd.Name, cmd.Usage})
	}
	return all
}

// flagCandidates returns the flags that may still come: lists more than once.
func flagCandidates(known []cli.Flag, given []flagToken) []candidate {
	var all []candidate
	for _, f := range append(slices.Clone(known), cli.HelpFlag) {
		_, repeats := f.(*cli.StringSliceFlag)
		name := f.Names()[0]
		used := slices.ContainsFunc(given, func(g flagToken) bool { return g.flag != nil && g.flag.Names()[0] == name })
		if repeats || !used {
			all = append(all, candidate{dashed(name), usageOf(f)})
		}
	}
	return all
}
