package main

import (
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func testApp() *cli.App {
	return newApp(streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard}, "peermesh")
}

func TestArrange(t *testing.T) {
	for _, test := range []struct {
		name, args, want string // blanks separate arguments; want is the line, or "error: " and what it says
	}{
		{"nothing", "", "peermesh"},
		{"root flags", "--port 8080 --json", "peermesh --port=8080 --json"},
		{"root short flags", "-p 0 -b ws://a", "peermesh --port=0 --bootstrap=ws://a"},
		{"one dash", "-port 8080", "peermesh --port=8080"},
		{"flags first", "send --json ID hi", "peermesh send --json -- ID hi"},
		{"flags last", "send ID hi --json", "peermesh send --json -- ID hi"},
		{"flags between", "send ID --timeout 5s hi --json", "peermesh send --timeout=5s --json -- ID hi"},
		{"flags before the command", "--bootstrap ws://a --json send ID hi", "peermesh send --bootstrap=ws://a --json -- ID hi"},
		{"value with =", "send ID hi --timeout=5s", "peermesh send --timeout=5s -- ID hi"},
		{"empty value with =", "send ID hi --state=", "peermesh send --state= -- ID hi"},
		{"bool with =", "send ID hi --json=false", "peermesh send --json=false -- ID hi"},
		{"bool does not eat a word", "send --json ID hi", "peermesh send --json -- ID hi"},
		{"repeated", "send -b ws://a ID -b ws://b", "peermesh send --bootstrap=ws://a --bootstrap=ws://b -- ID"},
		{"commas separate nothing", "send -b ws://a,b ID", "peermesh send --bootstrap=ws://a,b -- ID"},
		{"dash is data", "send ID -", "peermesh send -- ID -"},
		{"number below zero is data", "send ID -5 --json", "peermesh send --json -- ID -5"},
		{"fraction below zero is data", "send ID -.5", "peermesh send -- ID -.5"},
		{"two dashes end the flags", "send --json -- ID --json", "peermesh send --json -- ID --json"},
		{"two dashes before the command", "-- send ID", "peermesh send -- ID"},
		{"value that begins with a dash", "listen --reply -5", "peermesh listen --reply=-5"},
		{"attached short value", "ping ID -c3 -i 1s", "peermesh ping --count=3 --interval=1s -- ID"},
		{"short value with =", "ping ID -c=3", "peermesh ping --count=3 -- ID"},
		{"data named help", "send help", "peermesh send -- help"},
		{"value that may be left out", "status --watch", "peermesh status --watch=1s"},
		{"value left out before a flag", "peers --watch --json", "peermesh peers --watch=1s --json"},
		{"value that might have been left out", "status --watch 5s", "peermesh status --watch=5s"},
		{"the same with =", "status --watch=5s", "peermesh status --watch=5s"},
		{"help", "help", "peermesh --help"},
		{"help for a command", "help send", "peermesh send --help"},
		{"help wins over mistakes", "send --jsno ID -h extra", "peermesh send --help"},
		{"root version", "--version", "peermesh --version"},

		{"mistyped command", "sned ID hi", `error: unknown command "sned"; did you mean "send"?`},
		{"mistyped command after root flags", "--port 8080 sned", `error: unknown command "sned"; did you mean "send"?`},
		{"help for a mistyped command", "help sned", `error: unknown command "sned"; did you mean "send"?`},
		{"word after root flags", "--port 8080 extra", `error: unknown command "extra"`},
		{"mistyped root flag", "--prot 8080", "error: unknown flag --prot; did you mean --port?"},
		{"mistyped flag", "send ID --jsno", "error: unknown flag --jsno; did you mean --json?"},
		{"root's flag with a command", "--port 9 send ID hi", `error: --port is not a flag of "send"`},
		{"root's flag after a command", "send ID hi --port 9", `error: --port is not a flag of "send"`},
		{"command's flag without one", "--count 3", "error: --count is a flag of a command, and there is none"},
		{"value left out at the end", "listen --reply", "error: --reply needs a value: answer every request with TEXT"},
		{"value left out before a flag", "send ID --state --json", "error: --state needs a value: DIR that keeps"},
		{"value left out before --", "listen --reply -- x", "error: --reply needs a value"},
		{"dash data that is no number", "send ID -hello", "error: unknown flag -hello"},
	} {
		t.Run(test.name, func(t *testing.T) {
			line, err := arrange(testApp(), append([]string{"peermesh"}, strings.Fields(test.args)...))
			if want, ok := strings.CutPrefix(test.want, "error: "); ok {
				if err == nil {
					t.Fatalf("arrange(%s): got %q, want an error", test.args, line)
				}
				got := strings.Join(append([]string{err.Error()}, hints(err)...), "; ")
				if !strings.Contains(got, want) || exitCode(err) != exitUsage {
					t.Errorf("arrange(%s): got %q with code %d, want %q with code %d", test.args, got, exitCode(err), want, exitUsage)
				}
				return
			}
			want := strings.TrimSuffix(test.want, " --")
			if got := strings.TrimSuffix(strings.Join(line, " "), " --"); err != nil || got != want {
				t.Errorf("arrange(%s): got %q, %v, want %q", test.args, got, err, want)
			}
		})
	}
}

func TestArrangeKeepsWordsWhole(t *testing.T) {
	words := []string{"", "two words", "--", "a=b", "-"}
	line, err := arrange(testApp(), append([]string{"peermesh", "send", "--"}, words...))
	if err != nil {
		t.Fatal(err)
	}
	if want := append([]string{"peermesh", "send", "--"}, words...); !reflect.DeepEqual(line, want) {
		t.Errorf("got %q, want %q", line, want)
	}
}

func TestArrangeTakesTheRootsFlagsOffCommands(t *testing.T) {
	app := testApp()
	if _, err := arrange(app, []string{"peermesh", "send", "x"}); err != nil {
		t.Fatal(err)
	}
	if len(app.Flags) != 0 {
		t.Errorf("flags of the root beside a command: got %d, want none", len(app.Flags))
	}
}

// Arranging tells values from words before it knows the command, so a name
// must not take a value in one command and none in another.
func TestFlagsOfOneNameAgree(t *testing.T) {
	takes := make(map[string]bool)
	forEachFlag(func(command string, f cli.Flag) {
		for _, name := range f.Names() {
			if before, ok := takes[name]; ok && before != takesValue(f) {
				t.Errorf("%s %s: takes a value here and none in another command", command, name)
			}
			takes[name] = takesValue(f)
		}
	})
}

func TestEveryFlagIsReadFromTheEnvironment(t *testing.T) {
	forEachFlag(func(command string, f cli.Flag) {
		name := f.Names()[0]
		want := []string{"PEERMESH_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}
		if name == "port" { // that of a node
			want = append(want, "PORT")
		}
		if got := f.(cli.DocGenerationFlag).GetEnvVars(); !slices.Equal(got, want) {
			t.Errorf("%s --%s: got the environment's %q, want %q", command, name, got, want)
		}
	})
}

func TestEveryFlagIsExplained(t *testing.T) {
	forEachFlag(func(command string, f cli.Flag) {
		if usageOf(f) == "" {
			t.Errorf("%s --%s: got no usage text", command, f.Names()[0])
		}
	})
}

func forEachFlag(visit func(command string, f cli.Flag)) {
	app := testApp()
	for _, f := range app.Flags {
		visit("", f)
	}
	for _, cmd := range app.Commands {
		for _, f := range cmd.Flags {
			visit(cmd.Name, f)
		}
	}
}
