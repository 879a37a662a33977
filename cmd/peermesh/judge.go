package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/secret"
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
		return fmt.Sprintf("invalid value %q of %s for %s: %v", secret.URL(e.text), e.detail, dashed(e.name), e.err)
	}
	return fmt.Sprintf("invalid value %q for %s: %v", secret.URL(e.text), dashed(e.name), e.err)
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
