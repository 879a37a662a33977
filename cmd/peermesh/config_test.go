package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// configText puts a config file in a fresh directory.
func configText(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestNodeOfAConfigFile(t *testing.T) {
	_, first, url := startNode(t)
	state := filepath.Join(t.TempDir(), "state")
	file := configText(t, "\ufeffhost = '127.0.0.1'\r\nport = 0\r\nstate = \""+state+"\"\r\nbootstrap = [\""+url+"\"]\r\n")
	p := start(t, "--config", file, "--json")
	ready := p.next(t)
	id, err := os.ReadFile(filepath.Join(state, "identity.key"))
	if err != nil || !strings.Contains(string(id), ready["id"].(string)) {
		t.Errorf("ID: got %v, want that of the file's state: %v", ready["id"], err)
	}
	if up := p.event(t, "peer-up"); up["peer"] != first {
		t.Errorf("peer: got %v, want that of the file's bootstrap URL, %s", up["peer"], first)
	}
}

// A setting that a config file cannot write would need a second list.
func TestEverySettingHasAForm(t *testing.T) {
	for _, f := range nodeFlags() {
		switch f := f.(type) {
		case *cli.BoolFlag, *cli.StringFlag, *cli.StringSliceFlag:
		case *cli.GenericFlag:
			if _, text := f.Value.(interface{ String() string }); !text {
				t.Errorf("--%s: got a value without text", f.Name)
			}
		default:
			t.Errorf("--%s is a %T: got a flag that kindOf does not know", f.Names()[0], f)
		}
	}
}

func TestConfigFileThatIsNotReadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("file modes do not bind root; run it as another user")
	}
	file := configText(t, "port = 1\n")
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	runOnce(t, "", "config", "check", file).wantCode(t, exitUsage, "permission denied", "hint: ")
}

func TestConfigLines(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"texts of every form", "host = \"\"\"\na\"\"\"\nstate = 'b'\nkey = \"\\u0063\"\n", "1 host=a 3 state=b 4 key=c"},
		{"numbers of every form", "port = 0x10\nmax-peers = 1_000\nmax-leaves = +3\n", "1 port=16 2 max-peers=1000 3 max-leaves=3"},
		{"lists over lines", "bootstrap = [ # x\n 'a',\n\n # y\n 'b' ]", "1 bootstrap=a@2,b@5"},
		{"quoted keys", "\"port\" = 1\n'host' = 'h'", "1 port=1 2 host=h"},
		{"nothing", "# nothing\n\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			entries, mistakes, err := readConfigFile(t.Context(), configText(t, test.text))
			if err != nil || len(mistakes) > 0 {
				t.Fatalf("got %v, %v, want no mistakes", mistakes, err)
			}
			if got := entriesText(entries); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func entriesText(entries []entry) string {
	var words []string
	for _, e := range entries {
		var values []string
		for _, v := range e.values {
			text := v.text
			if e.kind == kindList {
				text += "@" + strings.TrimPrefix(v.at.String(), v.at.file+":")
			}
			values = append(values, text)
		}
		words = append(words, strings.TrimPrefix(e.at.String(), e.at.file+":")+" "+e.key+"="+strings.Join(values, ","))
	}
	return strings.Join(words, " ")
}

// Whatever a file holds, it is read to its end and every place is in it.
func FuzzConfigFile(f *testing.F) {
	f.Add("port = 8080\nbootstrap = [\"ws://a\", 3]\n[x]\na.b = {c = 1}\n")
	f.Add("host = \nport = 1\nleaf = tru")
	f.Add("state = \"\"\"x\nkey = 07")
	f.Fuzz(func(t *testing.T, text string) {
		r := &configReader{file: "f", data: append([]byte(nil), text...), seen: make(map[string]place)}
		r.read()
		lines := 1 + strings.Count(text, "\n")
		for _, m := range r.mistakes {
			if m.at.line < 1 || m.at.line > lines {
				t.Errorf("mistake in line %d of %d: %s", m.at.line, lines, m.text)
			}
		}
		for _, e := range r.entries {
			if e.at.line < 1 || e.at.line > lines {
				t.Errorf("%s in line %d of %d", e.key, e.at.line, lines)
			}
		}
	})
}
