package main

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/peermesh/peermesh/internal/identity"
)

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

// environmental says that nothing is wrong but the state of the key file, as it is told
// by commands that have no other settings.
func (e *settingsError) environmental() bool {
	return !slices.ContainsFunc(e.all, func(err error) bool { return len(find[*identity.KeyFileError](err)) == 0 })
}

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
