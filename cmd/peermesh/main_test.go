package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/node"
)

// leakChecked fails the run when goroutines are left, and removes what the
// tests built.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	// Below nohup SIGHUP is ignored, and so it would be in the programs that the tests
	// start. What a process catches is not ignored in its children.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	code := l.m.Run()
	if buildDir != "" {
		os.RemoveAll(buildDir)
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"peermesh": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, quickRaceExit)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
		},
		// [webrtc]: the program was built with it.
		Condition: func(cond string) (bool, error) {
			if cond != "webrtc" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return node.WebRTCSupported, nil
		},
		RequireExplicitExec: true,
	})
}

// exits runs a command and compares its exit code: exits CODE COMMAND [ARG…].
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code of %q: got %s, want %s", args[1:], got, args[0])
	}
}
