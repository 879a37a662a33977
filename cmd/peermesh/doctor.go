package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

func doctorCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:      "doctor",
		Usage:     "find out what keeps a node from working, and say what to do",
		ArgsUsage: "[URL|ID...]",
		Description: describe("Looks at what a node started here with these flags, environment and config file would meet: its\n"+
			"port, its URLs and whether a peer can dial them, its bootstrap URLs stage by stage, the clock,\n"+
			"open files, congestion control, the state directory. Then at each URL (ws, wss, http or https) and ID given. The node\n"+
			"may run meanwhile or not; doctor joins as a leaf of its own, and ends with 1 if something fails.",
			"peermesh doctor --port 8080 --bootstrap ws://127.0.0.1:8081",
			"peermesh doctor --config /etc/peermesh/config.toml --json",
			"peermesh doctor wss://mesh.example.org 3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b -b ws://127.0.0.1:8080"),
		Flags: append(nodeFlags(),
			boolFlag("running", "look only whether a node answers on --port of this machine: a health check"),
			valueFlag("timeout", "`TIME` for each thing looked at", duration(10*time.Second)),
		),
		Action: func(c *cli.Context) error { return examine(c, std) },
	}
}

// verdict is how one thing is.
type verdict string

// The verdicts. Only fail makes the exit code 1.
const (
	verdictOK   verdict = "ok"
	verdictWarn verdict = "warn"
	verdictFail verdict = "fail"
	// verdictUnknown is for what could not be looked at, or compared.
	verdictUnknown verdict = "unknown"
)

// finding is what doctor says of one thing.
type finding struct {
	V       int         `json:"v"`
	Verdict verdict     `json:"verdict"`
	Check   string      `json:"check"`
	Subject string      `json:"subject,omitempty"`
	Detail  string      `json:"detail"`
	Hint    string      `json:"hint,omitempty"`
	Stage   string      `json:"stage,omitempty"`  // at which it failed
	Reason  string      `json:"reason,omitempty"` // why, in a word, as in the status of a node
	Stages  []stageTime `json:"stages,omitempty"` // that went well
}

// patient is what doctor looks at.
type patient struct {
	cfg      node.Config
	roots    *x509.CertPool
	patience time.Duration
	proxies  proxies
	tell     func(finding) error
	failed   int
	err      error // of telling

	urls       []string      // that a node would tell others
	serving    bool          // a node of this doctor, or one that runs, answers on the port
	own        *node.Node    // serves on the port for as long as this takes; nil: it cannot
	linked     []string      // bootstrap URLs that a link came up by
	distrusted bool          // the certificate of an own URL does not hold here
	behind     time.Duration // this clock, of that of one of them: the farthest; valid if compared
	compared   bool
}

func examine(c *cli.Context, std streams) error {
	targets, err := doctorTargets(c.Args().Slice())
	if err != nil {
		return err
	}
	p, err := newPatient(c, std)
	if err != nil {
		return err
	}
	defer p.close()
	looks := []func(context.Context){p.listen, p.certificate, p.webRTC, p.iceServers, p.state, p.files, p.congestion, p.proxy, p.bootstraps, p.clock, p.ownURLs, p.reach}
	if c.Bool("running") {
		if p.cfg.Listen == "" {
			return &usageError{command: "doctor", text: "--running needs --port"}
		}
		looks = []func(context.Context){p.running}
	}
	for _, t := range targets {
		looks = append(looks, func(ctx context.Context) { t.look(p, ctx) })
	}
	for _, look := range looks {
		if look(c.Context); c.Context.Err() != nil {
			return context.Cause(c.Context)
		}
	}
	if p.failed > 0 && p.err == nil {
		return &diagnosis{p.failed}
	}
	return p.err
}

// diagnosis is the end of a doctor who found something.
type diagnosis struct{ failed int }

func (e *diagnosis) Error() string {
	if e.failed == 1 {
		return "1 check failed"
	}
	return fmt.Sprintf("%d checks failed", e.failed)
}

func newPatient(c *cli.Context, std streams) (*patient, error) {
	warnOfVariables(std.err)
	cfg, _, err := nodeSettings(c, std)
	if err := butForState(err); err != nil {
		return nil, err
	}
	p := &patient{cfg: cfg, patience: get[time.Duration](c, "timeout"), tell: findingText(std.out)}
	if c.Bool("json") {
		p.tell = func(f finding) error { return printJSON(std.out, f) }
	}
	if p.proxies, err = node.Proxies(cfg.Proxy); err != nil {
		return nil, err
	}
	p.roots, err = trustedRoots(cfg.TLSCA)
	return p, err
}

// butForState leaves out what is wrong with the state directory: that is told
// with all that doctor finds.
func butForState(err error) error {
	var wrong *settingsError
	if !errors.As(err, &wrong) {
		return err
	}
	return wrong.without(func(err error) bool { return len(find[*identity.KeyFileError](err)) > 0 })
}

func (p *patient) close() {
	if p.own != nil {
		_ = leave(p.own, leaveTime)
	}
}

// say tells a finding as soon as it is known.
func (p *patient) say(f finding) {
	f.V, f.Detail = jsonVersion, strings.ReplaceAll(f.Detail, "\n", "; ")
	if f.Verdict == verdictFail {
		p.failed++
	}
	p.err = errors.Join(p.err, p.tell(f))
}

// findingText prints findings in words.
func findingText(w io.Writer) func(finding) error {
	return func(f finding) error {
		words := []string{fmt.Sprintf("%-7s  %-9s", f.Verdict, f.Check)}
		detail := f.Detail
		if f.Stage != "" {
			detail = f.Stage + ": " + detail
		}
		for _, text := range []string{f.Subject, oneLine([]byte(detail)), stagesText(f.Stages)} {
			if text != "" {
				words = append(words, text)
			}
		}
		if f.Hint != "" {
			words = append(words, "hint: "+f.Hint)
		}
		_, err := fmt.Fprintln(w, strings.Join(words, "  "))
		return err
	}
}

func stagesText(stages []stageTime) string {
	words := make([]string, len(stages))
	for i, s := range stages {
		words[i] = fmt.Sprintf("%s %.1f ms", s.Stage, s.Ms)
	}
	return strings.Join(words, ", ")
}

// target is something that the command line gave to look at.
type target struct {
	url string
	id  routing.ID
}

// doctorTargets reads the arguments, and tells all that are neither URL nor ID.
func doctorTargets(words []string) ([]target, error) {
	var all []target
	var mistakes []error
	for _, word := range words {
		if strings.Contains(word, "://") {
			all = append(all, target{url: word})
			continue
		}
		id, err := idOf("doctor", word)
		if err != nil {
			err = &usageError{command: "doctor", text: fmt.Sprintf("%q is neither a URL such as ws://host:port nor an ID of 40 hex digits", secret.URL(word))}
		}
		mistakes = append(mistakes, err)
		all = append(all, target{id: id})
	}
	return all, errors.Join(mistakes...)
}

func (t target) look(p *patient, ctx context.Context) {
	switch {
	case t.url == "":
		p.remote(ctx, t.id)
	case strings.HasPrefix(t.url, "http"):
		p.health(ctx, t.url)
	default:
		p.say(p.join(ctx, "url", t.url).finding)
	}
}
