package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// newApp builds the command line anew: values are kept in its flags, so one
// App serves one run. The name is how the program was called.
func newApp(std streams, name string) *cli.App {
	app := &cli.App{
		Name:      "peermesh",
		Usage:     "a node of a self-organising message mesh",
		UsageText: "peermesh [flags]                      runs a node\npeermesh COMMAND [flags] [arguments]  does one thing and ends",
		Description: describe("Runs a node until it is told to stop. Others join it by its URL; any two nodes of a mesh\n"+
			"can talk, knowing nothing but each other's ID.",
			"peermesh --port 8080",
			"peermesh --port 8081 --bootstrap ws://127.0.0.1:8080",
			"peermesh --port 0 --state ~/.local/state/peermesh --json"),
		Version: version,
		Flags:   nodeFlags(),
		Action:  func(c *cli.Context) error { return runNode(c, std, name) },
		Commands: []*cli.Command{
			listenCommand(std), sendCommand(std), requestCommand(std), pingCommand(std), traceCommand(std), lookupCommand(std), benchCommand(std),
			statusCommand(std), peersCommand(std), topCommand(std), doctorCommand(std),
			testnetCommand(std), configCommand(std), idCommand(std), versionCommand(std), completionCommand(std),
		},
		Writer:                    std.out,
		ErrWriter:                 std.err,
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true,
		OnUsageError:              onUsageError,
		ExitErrHandler:            func(*cli.Context, error) {}, // run tells the error and the code
	}
	for _, cmd := range app.Commands {
		cmd.HideHelpCommand = true // else "send help" would not be a message
		cmd.OnUsageError = onUsageError
	}
	return app
}

// describe joins what a command does with examples of it.
func describe(text string, examples ...string) string {
	return text + "\n\nExamples:\n   " + strings.Join(examples, "\n   ")
}

// onUsageError keeps the library from printing the help page on standard
// output; report tells the mistake and where the help is.
func onUsageError(c *cli.Context, err error, isCommand bool) error {
	usage := &usageError{text: err.Error()}
	if isCommand {
		usage.command = c.Command.Name
	}
	return usage
}

// dashed returns a flag as it is typed: one dash before one letter, else two.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
