package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/identity"
)

// The parser ends at the first value that it cannot read, and hides every mistake
// behind it. So judge looks at all of them before: what is no value of its flag
// never reaches the parser, and is told with the rest.

// valueError is a text that is no value of the flag that was given it.
type valueError struct {
	name   string // of the flag
	text   string
	origin origin // fromFlag or fromEnv
	detail string // the variable's name
	err    error  // what the flag wants
}

func (e *valueError) Error() string {
	if e.origin == fromEnv {
		return fmt.Sprintf("invalid value %q of %s for %s: %v", e.text, e.detail, dashed(e.name), e.err)
	}
	return fmt.Sprintf("invalid value %q for %s: %v", e.text, dashed(e.name), e.err)
}

// judge returns the flags of the command line without those whose values are
// none, and an error for each value of line and environment that is none. It
// takes variables with such a value off the flags that would read them.
func judge(command string, known []cli.Flag, line []flagToken) (right []flagToken, wrong []error) {
	refuse := func(e *valueError) {
		wrong = append(wrong, &usageError{command: command, text: e.Error(), cause: e})
	}
	for _, f := range known {
		name, text := variableOf(f)
		if err := tryValue(f, text); text != "" && err != nil {
			refuse(&valueError{f.Names()[0], text, fromEnv, name, err})
			forgetVariables(f)
		}
	}
	for _, token := range line {
		if err := token.try(known); err != nil {
			refuse(&valueError{token.name(), token.values[0], fromFlag, "", err})
			continue
		}
		right = append(right, token)
	}
	return right, wrong
}

// try tries the token's value on the flag of its name among those known: of the
// same name as another command's it may want something else.
func (f flagToken) try(known []cli.Flag) error {
	i := slices.IndexFunc(known, func(k cli.Flag) bool { return k.Names()[0] == f.name() })
	if i < 0 || len(f.values) == 0 {
		return nil
	}
	return tryValue(known[i], f.values[0])
}

// tryValue says why a text is no value of a flag. Texts and lists are read where
// they are used.
func tryValue(f cli.Flag, text string) error {
	switch f := f.(type) {
	case *cli.GenericFlag:
		return f.Value.Set(text)
	case *cli.BoolFlag:
		if _, err := strconv.ParseBool(text); err != nil {
			return errors.New("want true or false")
		}
	}
	return nil
}

// variableOf is the variable of the environment that the parser takes for a
// flag, the first that is there, and its text.
func variableOf(f cli.Flag) (name, text string) {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return "", ""
	}
	for _, name := range doc.GetEnvVars() {
		if text, found := os.LookupEnv(name); found {
			return name, text
		}
	}
	return "", ""
}

func forgetVariables(f cli.Flag) {
	switch f := f.(type) {
	case *cli.GenericFlag:
		f.EnvVars = nil
	case *cli.BoolFlag:
		f.EnvVars = nil
	}
}

// settingsError are all mistakes of a node's settings: of the file by their
// lines, then those of the environment, then those of the command line.
type settingsError struct{ all []error }

func (e *settingsError) Error() string {
	lines := make([]string, len(e.all))
	for i, err := range e.all {
		lines[i] = briefly(err)
	}
	return strings.Join(lines, "\n")
}

func (e *settingsError) Unwrap() []error { return e.all }

// without leaves out the mistakes that drop says true of.
func (e *settingsError) without(drop func(error) bool) error {
	all := slices.DeleteFunc(slices.Clone(e.all), drop)
	if len(all) == 0 {
		return nil
	}
	return &settingsError{all}
}

// briefly is an error on its line, by flags; its hint stands on another.
func briefly(err error) string {
	text := err.Error()
	for _, key := range find[*identity.KeyFileError](err) {
		bare := *key
		bare.Hint = ""
		text = strings.Replace(text, key.Error(), bare.Error(), 1)
	}
	return byFlags(text)
}

// gather puts all mistakes in their order; nil: there are none.
func (s *settings) gather(errs ...error) error {
	var all []error
	for _, err := range errs {
		all = append(all, s.placed(err)...)
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b error) int {
		fileA, lineA := s.rank(a)
		fileB, lineB := s.rank(b)
		return cmp.Or(cmp.Compare(fileA, fileB), cmp.Compare(lineA, lineB))
	})
	return &settingsError{all}
}

// rank is where a mistake stands among all: file, environment, command line,
// and what belongs to none of them; in the file by its line.
func (s *settings) rank(err error) (group, line int) {
	const inFile, inEnvironment, onLine, elsewhere = 0, 1, 2, 3
	group = elsewhere
	if placed := find[*placedError](err); len(placed) > 0 {
		return inFile, placed[0].at.line
	}
	groupOf := map[origin]int{fromEnv: inEnvironment, fromFlag: onLine}
	if values := find[*valueError](err); len(values) > 0 {
		return groupOf[values[0].origin], 0
	}
	text := byFlags(err.Error())
	for _, x := range s.all {
		if g, given := groupOf[x.origin]; given && mentions(text, x.name) {
			group = min(group, g)
		}
	}
	return group, 0
}

// placed takes an error apart, gives each mistake that comes from the file its
// place there, and leaves out what only follows from a value that has been told
// to be wrong.
func (s *settings) placed(err error) []error {
	if err == nil {
		return nil
	}
	if start, ok := err.(*startError); ok {
		all := s.placed(start.err)
		for i, err := range all {
			all[i] = &startError{err}
		}
		return all
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok && isJoin(err, many.Unwrap()) {
		var all []error
		for _, e := range many.Unwrap() {
			all = append(all, s.placed(e)...)
		}
		return all
	}
	if len(find[*placedError](err)) > 0 || len(find[*valueError](err)) > 0 {
		return []error{err} // said where it is
	}
	if slices.ContainsFunc(s.bad, func(name string) bool { return mentions(byFlags(err.Error()), name) }) {
		return nil
	}
	if at, ok := s.placeOf(err); ok {
		return []error{&placedError{at, err}}
	}
	return []error{err}
}

// isJoin says whether an error is no more than its parts, each on a line.
func isJoin(err error, parts []error) bool {
	return err.Error() == errors.Join(parts...).Error()
}

// placedError is a mistake with its place in the config file.
type placedError struct {
	at  place
	err error
}

func (e *placedError) Error() string { return e.at.String() + ": " + byFlags(e.err.Error()) }
func (e *placedError) Unwrap() error { return e.err }

// password is what stands before the last @ of a URL or of an ICE server's text.
var password = regexp.MustCompile(`\b((?:turn|wss?|https?):(?://)?[^\s:@/"]*:)[^\s"]*@`)

// iceForm is how a TURN server is written in what tells how to; it is no secret.
const iceForm = "turn:user:password@"

// masked is a text without the passwords in it.
func masked(text string) string {
	return password.ReplaceAllStringFunc(text, func(found string) string {
		if found == iceForm {
			return found
		}
		return password.ReplaceAllString(found, "$1***@")
	})
}

// warnOfVariables tells variables of the environment that look like settings and
// are none. They may be meant for another version, so they are no mistakes.
func warnOfVariables(w io.Writer) {
	all := allFlags(newApp(streams{}, ""))
	known := make(map[string]bool)
	for _, f := range all {
		for _, name := range f.(cli.DocGenerationFlag).GetEnvVars() {
			known[name] = true
		}
	}
	flags := slices.SortedFunc(maps.Values(all), func(a, b cli.Flag) int { return strings.Compare(a.Names()[0], b.Names()[0]) })
	for _, pair := range slices.Sorted(slices.Values(os.Environ())) {
		name, text, _ := strings.Cut(pair, "=")
		if text == "" || !strings.HasPrefix(name, envPrefix) || known[name] {
			continue
		}
		text = "warning: " + name + " is no setting"
		flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, envPrefix), "_", "-"))
		if meant := strings.TrimLeft(cli.SuggestFlag(flags, flag, true), "-"); len(meant) > 1 {
			text += "; did you mean " + envOf(meant) + "?"
		}
		fmt.Fprintln(w, text)
	}
}
