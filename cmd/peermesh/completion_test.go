package main

import (
	"slices"
	"strings"
	"testing"
)

func TestCompletions(t *testing.T) {
	for _, test := range []struct {
		name, line string // the last word is the unfinished one
		with       string // words that are among the answers
		without    string // words that are not
	}{
		{"commands", " ", "send listen trace lookup help completion", "--port"},
		{"a command's beginning", " se", "send", "listen"},
		{"root flags", " --", "--port --bootstrap --help", "--count send"},
		{"a command's flags", " send --", "--timeout --json", "--port"},
		{"flags after words", " send ID hi --t", "--timeout --tls-ca", "--json"},
		{"not twice", " send --json --", "--timeout", "--json"},
		{"lists as often as wanted", " send --bootstrap ws://a --b", "--bootstrap", "--json"},
		{"nothing for a value", " send --timeout ", "", "send listen"},
		{"nothing behind two dashes", " send -- --", "", "--json"},
		{"flags of a command that looks", " peers --", "--watch --sort --full --admin --id --json", "--bootstrap --interval"},
		{"actions", " config ", "show check init", "send"},
		{"values", " --log-level ", "error warn info debug", "send --port"},
		{"values of a beginning", " --log-level d", "debug", "error"},
		{"values behind =", " --log-level=d", "--log-level=debug", "--log-level=error"},
		{"values of a truth", " send --json=", "--json=true --json=false", "true"},
		{"values of webrtc", " --webrtc ", "off", "send"},
		{"values of transport", " testnet --transport ", "ws sim", "send"},
		{"values of sort", " peers --sort ", "id rtt bytes age", ":files"},
		{"files", " --cert ", ":files", "send"},
		{"files of a beginning", " send --tls-ca /etc/s", ":files", "--json"},
		{"files behind =", " --cert=/etc", ":files", "--cert"},
		{"directories", " --state ", ":dirs", ":files"},
		{"a file to check", " config check ", ":files", "send"},
		{"no files for an ID", " send ", "", ":files"},
		{"commands to be helped with", " help ", "send listen", "help :files"},
		{"shells", " completion ", "bash zsh fish powershell", "send"},
		{"nothing for a mistyped command", " sned --", "", "--json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			words := strings.Split(test.line, " ")[1:]
			last := words[len(words)-1]
			var b strings.Builder
			printCompletions(testApp(), words[:len(words)-1], last, &b)
			var got []string
			for line := range strings.Lines(b.String()) {
				word, meaning, _ := strings.Cut(strings.TrimSpace(line), "\t")
				if meaning == "" {
					t.Errorf("%q: got no meaning beside the word", line)
				}
				got = append(got, word)
			}
			for _, want := range strings.Fields(test.with) {
				if !slices.Contains(got, want) {
					t.Errorf("got %q, want %q among them", got, want)
				}
			}
			for _, not := range strings.Fields(test.without) {
				if slices.Contains(got, not) {
					t.Errorf("got %q, want it without %q", got, not)
				}
			}
		})
	}
}

func TestCompletionRequest(t *testing.T) {
	before, last, ok := completionRequest([]string{"peermesh", "send", "--complete=--ti"})
	if !ok || last != "--ti" || !slices.Equal(before, []string{"send"}) {
		t.Errorf("got %q, %q, %v, want [send], --ti, true", before, last, ok)
	}
	if _, _, ok := completionRequest([]string{"peermesh", "--complete=x", "send"}); ok {
		t.Error("completion flag that is not last: got a request, want none")
	}
	if _, _, ok := completionRequest([]string{"peermesh"}); ok {
		t.Error("no arguments: got a request, want none")
	}
}
