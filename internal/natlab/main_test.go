//go:build linux

package natlab

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// table is where the outcomes go.
var table = flag.String("table", "", "write the outcomes of the cells to this Markdown file")

// long asks for the whole time of what is else tried for seconds.
var long = flag.Bool("long", false, "flows over lines last as long as the figures of them ask for")

// The cells wait far more than they compute: for ICE to give up, mostly.
const cellsAtOnce = 6

// roleVariable makes the test's own program play a part inside a namespace.
const roleVariable = "PEERMESH_NATLAB_ROLE"

// roles are the parts, by name. Each reads commands from its standard input,
// and ends with it.
var roles = map[string]func() error{
	"socket": socketRole,
	"node":   nodeRole,
	"crowd":  crowdRole, "silence": silenceRole,
	"mute": muteRole,

	"prey": preyRole, "lure": lureRole, "proxy": proxyRole, "links": linksRole,
	"halfopen": halfOpenRole, "flood": floodRole, "joins": joinsRole,
	"fetch": fetchRole, "mover": moverRole,
	"line": lineRole, "flow": flowRole, "bare": bareRole, "baresink": bareSinkRole,
}

func TestMain(m *testing.M) {
	if role, ok := os.LookupEnv(roleVariable); ok {
		play, known := roles[role]
		if !known {
			fmt.Fprintf(os.Stderr, "no role %q\n", role)
			os.Exit(2)
		}
		if err := play(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set(strconv.Itoa(cellsAtOnce))
	}
	code := m.Run()
	if code == 0 {
		if err := writeTable(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if buildDir != "" {
		_ = os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

// buildDir holds the built program; TestMain removes it.
var buildDir string

// program builds peermesh once and returns its path.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		return "", err
	}
	buildDir = dir
	file := filepath.Join(dir, "peermesh")
	_, err = run("", "go", "build", "-o", file, "github.com/peermesh/peermesh/cmd/peermesh")
	return file, err
})
