package main

import (
	"context"
	"io"
	"os"
)

// streams are where a command reads and writes: data on out, talk on err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	os.Exit(run(os.Args, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run executes one command line and returns its exit code.
func run(args []string, std streams) int {
	if before, last, ok := completionRequest(args); ok {
		printCompletions(newApp(std, args[0]), before, last, std.out)
		return exitOK
	}
	ctx, stop := interruptible(context.Background(), os.Exit)
	defer stop()
	err := execute(ctx, args, std)
	report(std.err, err)
	if wantsJSON(args[1:]) {
		reportJSON(std.out, err)
	}
	return exitCode(err)
}

// execute arranges the command line, finds the command and runs it. A
// signal is the error of a command that it ended, whatever the command itself made
// of it.
func execute(ctx context.Context, args []string, std streams) error {
	app := newApp(std, args[0])
	line, err := arrange(app, args)
	if err != nil {
		return err
	}
	err = app.RunContext(ctx, line)
	if sig := bySignal(ctx); err != nil && sig != nil {
		return sig
	}
	return err
}
