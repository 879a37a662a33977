package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxConfigFile is the largest config file, in bytes: a thousand times what
// one needs, and nothing to wait for.
const maxConfigFile = 1 << 20

// pipeTime is how long what is no regular file, such as a pipe, may take to be read:
// long enough for a program that decrypts it, not for ever where nobody writes.
const pipeTime = 30 * time.Second

// place is where something stands in a config file.
type place struct {
	file string
	line int // from 1; 0: the file as a whole
}

func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return p.file + ":" + strconv.Itoa(p.line)
}

// valueKind is the form of a value in a config file.
type valueKind string

// The forms, in the words that tell what is wanted.
const (
	kindText   valueKind = `a text in quotes, such as "a"`
	kindNumber valueKind = "a whole number without quotes"
	kindTruth  valueKind = "true or false, without quotes"
	kindList   valueKind = `a list of texts in quotes, such as ["a", "b"]`
	kindOther  valueKind = "what no setting is"
)

// entry is one line "key = value" of a config file.
type entry struct {
	key    string
	at     place
	kind   valueKind
	values []element // of a list any number, else one
}

// element is one value: its text is what the flag would be given.
type element struct {
	text string
	kind valueKind
	at   place
}

// mistake is something wrong at a place in a config file.
type mistake struct {
	at   place
	text string
}

// readConfigFile returns what stands in a file, and all that is no TOML or no
// setting of any kind. The error says why the file cannot be read at all.
func readConfigFile(ctx context.Context, name string) ([]entry, []mistake, error) {
	data, err := readWithin(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	data = slices.Clip(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))) // some editors begin with a mark
	if at := invalidUTF8(data); at >= 0 {
		return nil, nil, fileError(place{name, lineAt(data, at)}, "not UTF-8, as TOML has to be")
	}
	r := &configReader{file: name, data: data, seen: make(map[string]place)}
	r.read()
	return r.entries, r.mistakes, nil
}

// readWithin reads a file. What is none, such as /dev/stdin or <(program), may wait
// for its writer even to be opened: the end of ctx or of pipeTime ends that, and
// leaves a goroutine to the end of the process.
func readWithin(ctx context.Context, name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil || info.Mode().IsRegular() || info.IsDir() {
		return readBounded(name)
	}
	ctx, cancel := context.WithTimeout(ctx, pipeTime)
	defer cancel()
	type result struct {
		data []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		data, err := readBounded(name)
		read <- result{data, err}
	}()
	select {
	case r := <-read:
		return r.data, r.err
	case <-ctx.Done():
		return nil, fileError(place{file: name}, fmt.Sprintf("not a regular file, and its end did not come within %v", pipeTime))
	}
}

// readBounded reads a file that is no larger than maxConfigFile.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fileError(place{file: name}, reasonOf(err))
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fileError(place{file: name}, "it is a directory: give the file")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return nil, fileError(place{file: name}, reasonOf(err))
	}
	if len(data) > maxConfigFile {
		return nil, fileError(place{file: name}, fmt.Sprintf("larger than %d bytes", maxConfigFile))
	}
	return data, nil
}

// fileError is a mistake that leaves nothing else to be looked at.
func fileError(at place, text string) error {
	return &usageError{command: "config", text: "config file " + at.String() + ": " + text,
		hints: []string{"peermesh config init prints a file to begin with"}}
}

// reasonOf is err without the path that a PathError repeats.
func reasonOf(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// invalidUTF8 is where data ceases to be UTF-8; -1: nowhere.
func invalidUTF8(data []byte) int {
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

func lineAt(data []byte, at int) int { return 1 + bytes.Count(data[:at], []byte("\n")) }

// configReader reads one file.
type configReader struct {
	file     string
	data     []byte
	base     int // where in data the parser began
	parser   unstable.Parser
	entries  []entry
	mistakes []mistake
	seen     map[string]place
}

// read goes on behind what is no TOML with the next line that begins like a
// setting, so that one slip of the pen hides no other.
func (r *configReader) read() {
	for r.base < len(r.data) {
		r.parser.Reset(r.data[r.base:])
		for r.parser.NextExpression() {
			r.expression(r.parser.Expression())
		}
		err := r.parser.Error()
		if err == nil {
			return
		}
		at := r.base
		var bad *unstable.ParserError
		if errors.As(err, &bad) {
			at += int(r.parser.Range(bad.Highlight).Offset)
		}
		r.wrong(lineAt(r.data, at), "no TOML: %v", err)
		r.base = nextSetting(r.data, at)
	}
}

var settingStart = regexp.MustCompile(`\n[ \t]*(["'A-Za-z0-9_-]+[ \t]*=|\[)`)

// nextSetting is the start of the next line after at that begins like a setting.
func nextSetting(data []byte, at int) int {
	next := settingStart.FindIndex(data[at:])
	if next == nil {
		return len(data)
	}
	return at + next[0] + 1
}

func (r *configReader) wrong(line int, format string, args ...any) {
	r.mistakes = append(r.mistakes, mistake{place{r.file, line}, fmt.Sprintf(format, args...)})
}

// lineOf is the line of a node; the parser gives no range to lists and tables.
func (r *configReader) lineOf(n *unstable.Node) int {
	return lineAt(r.data, r.base+int(n.Raw.Offset))
}

// expression takes one line, or what belongs together.
func (r *configReader) expression(n *unstable.Node) {
	key, line := r.keyOf(n)
	if n.Kind != unstable.KeyValue {
		r.wrong(line, "[%s]: there are no tables here: write the settings without one", key)
		return
	}
	at := place{r.file, line}
	if before, twice := r.seen[key]; twice {
		r.wrong(line, "%s stands in line %d already", key, before.line)
		return
	}
	r.seen[key] = at
	e := entry{key: key, at: at}
	e.kind, e.values = r.valueOf(n.Value(), at)
	r.entries = append(r.entries, e)
}

// keyOf returns the key, its parts joined by dots, and its line.
func (r *configReader) keyOf(n *unstable.Node) (key string, line int) {
	var parts []string
	for it := n.Key(); it.Next(); {
		if parts == nil {
			line = r.lineOf(it.Node())
		}
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, "."), line
}

func (r *configReader) valueOf(n *unstable.Node, at place) (valueKind, []element) {
	if n.Kind != unstable.Array {
		e := r.elementOf(n, at)
		return e.kind, []element{e}
	}
	var all []element
	for it := n.Children(); it.Next(); {
		if it.Node().Kind != unstable.Comment {
			all = append(all, r.elementOf(it.Node(), at))
		}
	}
	return kindList, all
}

func (r *configReader) elementOf(n *unstable.Node, at place) element {
	e := element{text: string(n.Data), kind: kindOther, at: at}
	switch n.Kind {
	case unstable.String:
		e.kind = kindText
	case unstable.Bool:
		e.kind = kindTruth
	case unstable.Integer:
		e.kind = kindNumber // also one that is too large for the reader: the flag says which are not
		var v struct{ N int64 }
		if err := toml.Unmarshal([]byte("N = "+e.text), &v); err == nil { // 0x10, 1_000
			e.text = strconv.FormatInt(v.N, 10)
		}
	}
	if n.Raw.Length > 0 {
		e.at.line = r.lineOf(n)
	}
	return e
}

// tomlLine is "key = value" as a config file has it. Truth, whole numbers, texts
// and lists of them are written in TOML as in JSON.
func tomlLine(key string, value any) (string, error) {
	var b strings.Builder
	err := printJSON(&b, value)
	return key + " = " + strings.TrimSuffix(b.String(), "\n"), err
}
