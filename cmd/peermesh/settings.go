package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/node"
)

// The settings of a node are the flags of the program without a command; there
// is no other list of them. What neither the command line nor the environment
// gives is taken from the config file.

// noSettings are flags that say how to run once, not how a node is.
var noSettings = []string{"config", "json", "help", "version"}

// configName is the config file below the user's directory for such files.
var configName = filepath.Join("peermesh", "config.toml")

// setting is one of a node's, with where its value comes from.
type setting struct {
	flag   cli.Flag
	name   string
	kind   valueKind
	origin origin
	detail string    // the variable's name, or file:line
	values []element // in the config file, if it comes from there
}

// origin is where a value comes from.
type origin string

// The origins, the strongest first.
const (
	fromFlag    origin = "flag"
	fromEnv     origin = "env"
	fromFile    origin = "file"
	fromDefault origin = "default"
)

func (s *setting) where() string {
	switch s.origin {
	case fromEnv:
		return "env " + s.detail
	case fromFile:
		return s.detail
	}
	return string(s.origin)
}

// settings are those of one run, in the order of the help page.
type settings struct {
	file string // the config file; empty: there is none
	lost error  // why the user's own file, which nobody asked for, cannot be read
	all  []setting
	bad  []string // those that are given a value that is none
}

// settle reads the config file into the flags of c and returns what came from
// where. What is right counts even if the error, which holds all values that are
// none and all mistakes of the file, is not nil.
func settle(c *cli.Context) (*settings, error) {
	s := &settings{}
	values := wrongValues(c)
	for _, v := range find[*valueError](values) {
		s.bad = append(s.bad, v.name)
	}
	for _, f := range nodeFlags() {
		if !slices.Contains(noSettings, f.Names()[0]) {
			s.all = append(s.all, newSetting(c, f))
		}
	}
	return s, errors.Join(values, s.readFile(c))
}

// readFile takes what the config file has, if there is one.
func (s *settings) readFile(c *cli.Context) (err error) {
	if s.file, s.lost = configFile(c); s.file == "" {
		return nil
	}
	entries, mistakes, err := readConfigFile(c.Context, s.file)
	if err != nil {
		return err
	}
	for _, e := range entries {
		wrong := s.take(c, e)
		mistakes = append(mistakes, wrong...)
		if len(wrong) > 0 && len(wrong) >= len(e.values) {
			s.bad = append(s.bad, e.key)
		}
	}
	return mistakesError(mistakes)
}

// newSetting says where the value comes from without a file. An empty variable
// of the environment is none.
func newSetting(c *cli.Context, f cli.Flag) setting {
	s := setting{flag: f, name: f.Names()[0], kind: kindOf(f), origin: fromDefault}
	if givenOnLine(c, s.name) {
		s.origin = fromFlag
		return s
	}
	if name, text := variableOf(f); text != "" && tryValue(f, text) == nil {
		s.origin, s.detail = fromEnv, name
	}
	return s
}

// kindOf is the form of a flag's value in a config file.
func kindOf(f cli.Flag) valueKind {
	switch f := f.(type) {
	case *cli.BoolFlag:
		return kindTruth
	case *cli.StringSliceFlag:
		return kindList
	case *cli.GenericFlag:
		if _, ok := f.Value.(*value[int]); ok {
			return kindNumber
		}
	}
	return kindText
}

// configFile is the file to read: that of --config, else the user's if there is
// one. An empty --config means none. The error is why there may be one that cannot be
// read, which keeps nobody from starting: nobody asked for it.
func configFile(c *cli.Context) (string, error) {
	if file := c.String("config"); file != "" || givenOnLine(c, "config") {
		return file, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", nil // a user without a home has no such file
	}
	file := filepath.Join(dir, configName)
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return "", nil
	}
	if err == nil && info.Mode().IsRegular() {
		var f *os.File
		if f, err = os.Open(file); err == nil {
			_ = f.Close()
		}
	}
	if err != nil {
		return "", fileError(place{file: file}, reasonOf(err))
	}
	return file, nil
}

// warn tells of a file that is left out.
func (s *settings) warn(w io.Writer) {
	if s.lost != nil {
		fmt.Fprintf(w, "warning: %v: it goes on without; --config= says that there is none\n", s.lost)
	}
}

func (s *settings) find(name string) *setting {
	i := slices.IndexFunc(s.all, func(x setting) bool { return x.name == name })
	if i < 0 {
		return nil
	}
	return &s.all[i]
}

// take gives an entry of the file to its flag, if nothing stronger has.
func (s *settings) take(c *cli.Context, e entry) (wrong []mistake) {
	x := s.find(e.key)
	if x == nil {
		return []mistake{{e.at, unknownKey(s, e.key)}}
	}
	if e.kind != x.kind {
		return []mistake{{e.at, fmt.Sprintf("%s: want %s", e.key, x.kind)}}
	}
	// What does not count is looked at all the same: on a flag of its own.
	set := func(text string) error { return trySetting(x.name, text) }
	if x.origin == fromDefault {
		set = func(text string) error { return c.Set(x.name, text) }
		defer func() {
			if len(wrong) < max(1, len(e.values)) {
				x.origin, x.detail, x.values = fromFile, e.at.String(), e.values
			}
		}()
	}
	for _, v := range e.values {
		if e.kind == kindList && v.kind != kindText {
			wrong = append(wrong, mistake{v.at, fmt.Sprintf("%s: want %s", e.key, x.kind)})
		} else if err := set(v.text); err != nil {
			wrong = append(wrong, mistake{v.at, fmt.Sprintf("%s = %s: %v", e.key, oneLine([]byte(v.text)), err)})
		}
	}
	return wrong
}

// trySetting says whether a text is a value of a setting.
func trySetting(name, text string) error {
	for _, f := range nodeFlags() {
		if g, ok := f.(*cli.GenericFlag); ok && g.Name == name {
			return g.Value.Set(text)
		}
	}
	return nil
}

// unknownKey says what may have been meant.
func unknownKey(s *settings, key string) string {
	text := fmt.Sprintf("unknown key %q", key)
	if slices.Contains(noSettings, key) {
		return text + ": --" + key + " is for the command line alone"
	}
	var known []cli.Flag
	for _, x := range s.all {
		known = append(known, x.flag)
	}
	if meant := strings.TrimLeft(cli.SuggestFlag(known, strings.ReplaceAll(key, "_", "-"), true), "-"); len(meant) > 1 {
		text += fmt.Sprintf("; did you mean %q?", meant)
	}
	return text
}

// mistakesError are mistakes of the file, each with its place; nil: there are none.
func mistakesError(all []mistake) error {
	errs := make([]error, len(all))
	for i, m := range all {
		errs[i] = &placedError{m.at, &usageError{command: "config", text: m.text}}
	}
	return errors.Join(errs...)
}

// nodeSettings returns the config of a node, and all mistakes of the command
// line, the environment and the file at once, as a *settingsError.
func nodeSettings(c *cli.Context, std streams) (node.Config, *settings, error) {
	s, errSettle := settle(c)
	s.warn(std.err)
	cfg, err := nodeConfig(c, std)
	overrule(&cfg, s.from)
	var errCheck error
	if wrong := cfg.Check(); wrong != nil {
		errCheck = &startError{wrong}
	}
	return cfg, s, s.gather(errSettle, err, errCheck)
}

// placeOf is where in the file the cause of an error stands: the first setting
// that it names, and of its values the one that it repeats.
func (s *settings) placeOf(err error) (at place, found bool) {
	text, best := byFlags(err.Error()), 0
	text, _, _ = strings.Cut(text, " has no effect with ") // of two that exclude each other the one to leave out
	var join *node.JoinError
	joins := errors.As(err, &join)
	for _, x := range s.all {
		named := joins && x.name == "bootstrap" || mentions(text, x.name)
		for _, v := range x.values {
			score := 0
			if named {
				score = 1
			}
			if named && (strings.Contains(text, v.text) || strings.Contains(text, secret.URL(v.text).String())) {
				score += len(v.text) // of two values that fit the longer one is meant
			}
			if score > best {
				at, best = v.at, score
			}
		}
	}
	return at, best > 0
}

// mentions says whether a text names a flag.
func mentions(text, flag string) bool {
	return slices.ContainsFunc(strings.Fields(text), func(word string) bool {
		return strings.TrimRight(word, ":,") == dashed(flag)
	})
}
