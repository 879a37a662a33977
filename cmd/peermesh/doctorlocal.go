package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/transport/ws"
)

// spareFiles are the open files that a process needs beside those of its links.
const spareFiles = 64

// listen serves on the port as a node would, and keeps doing so: the dials of
// others are to meet a node. It has an identity of its own, not the state's.
func (p *patient) listen(ctx context.Context) {
	if p.cfg.Listen == "" {
		p.urls = p.cfg.PublicURLs
		p.say(finding{Verdict: verdictOK, Check: "listen", Detail: "no --port: this node dials others and is reached by way of them"})
		return
	}
	own, err := p.serve(p.cfg.Listen)
	if err == nil {
		p.own, p.serving, p.urls = own, true, own.URLs()
		p.say(finding{Verdict: verdictOK, Check: "listen", Subject: p.cfg.Listen, Detail: "free, and served for as long as this takes"})
		return
	}
	p.taken(ctx, err)
}

// serve starts the leaf that stands for the node.
func (p *patient) serve(listen string) (*node.Node, error) {
	cfg := p.cfg
	cfg.Listen, cfg.StateDir, cfg.Bootstrap, cfg.Leaf, cfg.Homes = listen, "", nil, true, oneHome
	cfg.WebRTCListen = "" // looked at by itself
	return node.New(cfg)
}

// certificate looks at how long the port's certificate lasts.
func (p *patient) certificate(context.Context) {
	if p.cfg.TLSCert == "" {
		return
	}
	f := finding{Verdict: verdictOK, Check: "cert", Subject: p.cfg.TLSCert, Detail: "valid for more than two weeks"}
	for _, w := range p.cfg.CheckWarnings(time.Now()) {
		f.Verdict, f.Detail, f.Hint = verdictWarn, w.Text, w.Hint
		if w.Broken {
			f.Verdict = verdictFail
		}
	}
	p.say(f)
}

// webRTC looks at the UDP port. Nobody else is to need it: who stands for the node
// does without.
func (p *patient) webRTC(context.Context) {
	f := finding{Verdict: verdictOK, Check: "webrtc", Subject: p.cfg.WebRTCListen}
	switch {
	case p.cfg.WebRTC == node.WebRTCOff:
		f.Detail = "off: those who cannot dial each other talk by relays"
	case p.cfg.WebRTCListen == "":
		f.Detail = "each link has a UDP port of its own"
	default:
		f.Detail = "free; nodes behind NATs are told their public address here"
		udp, err := net.ListenPacket("udp", p.cfg.WebRTCListen)
		if err == nil {
			_ = udp.Close()
			break
		}
		f.Detail = bareCause(err)
		if errors.Is(err, syscall.EADDRINUSE) && p.serving && p.own == nil {
			f.Detail = "taken, by the node that runs there"
			break
		}
		f.Verdict, f.Hint = verdictFail, "choose another with --webrtc-port, or 0 for any"
	}
	p.cfg.WebRTCListen = ""
	p.say(f)
}

// taken says what a port that cannot be served is.
func (p *patient) taken(ctx context.Context, err error) {
	f := finding{Verdict: verdictFail, Check: "listen", Subject: p.cfg.Listen, Detail: err.Error()}
	for _, h := range sentinelHints {
		if errors.Is(err, h.err) {
			f.Hint = h.text
		}
	}
	p.urls = p.urlsBeside()
	if errors.Is(err, syscall.EADDRINUSE) {
		secure, err := p.answersHere(ctx)
		switch {
		case err == nil && secure != (p.cfg.TLSCert != ""):
			f.Detail = "a node runs there already, " + schemeWords[secure]
			f.Hint = "give the flags that it runs with"
		case err == nil:
			p.serving = true
			f = finding{Verdict: verdictOK, Check: "listen", Subject: p.cfg.Listen, Detail: "a node runs there already and answers /healthz"}
		}
	}
	p.say(f)
}

// urlsBeside are the URLs of a node on the port, found on a free one.
func (p *patient) urlsBeside() []string {
	host, port, _ := net.SplitHostPort(p.cfg.Listen)
	n, err := p.serve(net.JoinHostPort(host, "0"))
	if err != nil {
		return p.cfg.PublicURLs
	}
	defer n.Close()
	urls := n.URLs()
	if len(p.cfg.PublicURLs) > 0 {
		return urls
	}
	for i, raw := range urls {
		if u, err := url.Parse(raw); err == nil {
			u.Host = net.JoinHostPort(u.Hostname(), port)
			urls[i] = u.String()
		}
	}
	return urls
}

// schemeWords say how a port is served.
var schemeWords = map[bool]string{true: "with a certificate (wss), and here is no --cert", false: "without a certificate (ws), and here is --cert"}

// running is the whole of a health check.
func (p *patient) running(ctx context.Context) {
	f := finding{Verdict: verdictOK, Check: "running", Subject: p.cfg.Listen, Detail: "a node answers /healthz"}
	if _, err := p.answersHere(ctx); err != nil {
		f.Verdict, f.Detail, f.Hint = verdictFail, bareCause(err), "start one there: peermesh --port"
	}
	p.say(f)
}

// answersHere says whether the node that answers on the port of this machine serves
// wss, or why none does. A node may run with another --cert than doctor.
func (p *patient) answersHere(ctx context.Context) (secure bool, err error) {
	at := p.urlHere()
	err = p.askHealth(ctx, at, true)
	if err == nil {
		return at.Scheme == "https", nil
	}
	other := *at
	other.Scheme = map[string]string{"http": "https", "https": "http"}[at.Scheme]
	if again := p.askHealth(ctx, &other, true); again == nil {
		return other.Scheme == "https", nil
	}
	return false, err
}

// urlHere is where the port is on this machine.
func (p *patient) urlHere() *url.URL {
	host, port, _ := net.SplitHostPort(p.cfg.Listen)
	switch addr, err := netip.ParseAddr(host); { // no name: not every machine can resolve localhost
	case err == nil && addr == netip.IPv6Unspecified():
		host = "::1"
	case host == "" || err == nil && addr.IsUnspecified():
		host = "127.0.0.1"
	}
	u := &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}
	if p.cfg.TLSCert != "" {
		u.Scheme = "https"
	}
	return u
}

// state looks at the state directory and makes nothing in it.
func (p *patient) state(context.Context) {
	dir := p.cfg.StateDir
	f := finding{Verdict: verdictOK, Check: "state", Subject: dir}
	info, err := os.Stat(dir)
	switch {
	case dir == "":
		f.Verdict, f.Detail, f.Hint = verdictWarn, "none: the ID is another at each start", "keep it with --state DIR"
	case errors.Is(err, fs.ErrNotExist):
		f.Detail = "not there yet: the first start makes it, and a new identity"
	case err != nil:
		f.Verdict, f.Detail, f.Hint = verdictFail, reasonOf(err), "give a directory that this user may enter"
	case !info.IsDir():
		f.Verdict, f.Detail, f.Hint = verdictFail, "not a directory", "move it away, or give another --state"
	default:
		f = stateIn(dir, f)
	}
	p.say(f)
}

// stateIn looks at a directory that is there.
func stateIn(dir string, f finding) finding {
	probe, err := os.CreateTemp(dir, "doctor-*")
	if err != nil {
		f.Verdict, f.Detail, f.Hint = verdictFail, "not writable: "+reasonOf(err), "give it to the user that runs the node: chown -R USER "+shellWord(dir)
		return f
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	if _, err := os.Lstat(filepath.Join(dir, identity.KeyFileName)); errors.Is(err, fs.ErrNotExist) {
		f.Detail = "writable; no identity yet: the first start makes it"
		return f
	}
	id, _, err := identity.LoadOrCreate(dir, rand.Reader)
	var key *identity.KeyFileError
	switch {
	case errors.As(err, &key):
		f.Verdict, f.Detail, f.Hint = verdictFail, key.Problem, key.Hint
	case err != nil:
		f.Verdict, f.Detail = verdictFail, err.Error()
	default:
		f.Detail = fmt.Sprintf("writable; the key is private; ID %s", id.ID())
	}
	return f
}

// files compares the links that the node may have, and what the port holds beside
// them, with what the system allows.
func (p *patient) files(context.Context) {
	need := p.cfg.MaxPeers + p.cfg.MaxLeaves + spareFiles
	if p.cfg.MaxPeers == 0 {
		need += limits.RelayLinks
		if p.cfg.Listen != "" {
			need += limits.RelayLinksPort - limits.RelayLinks
		}
	}
	if p.cfg.Listen != "" {
		need += limits.HTTPConns + limits.PreAuthLinks
		if p.cfg.MaxLeaves == 0 {
			need += limits.LeafLinksPort
		}
	}
	may, known := maxOpenFiles()
	f := finding{Verdict: verdictOK, Check: "limits", Subject: "open files", Detail: fmt.Sprintf("%d allowed, %d needed at most", may, need)}
	switch {
	case !known:
		f.Verdict = verdictUnknown
		f.Detail = fmt.Sprintf("%d needed at most; this system does not say how many it allows", need)
	case may < uint64(need):
		f.Verdict, f.Hint = verdictWarn, fmt.Sprintf("ulimit -n %d (systemd: LimitNOFILE=), or lower --max-peers and --max-leaves", need)
	}
	p.say(f)
}

// congestion says which congestion control links over TCP get.
func (p *patient) congestion(context.Context) {
	f := finding{Verdict: verdictOK, Check: "congestion"}
	switch name, known := ws.LinkCongestion(); {
	case !known:
		f.Verdict, f.Detail = verdictUnknown, "this system does not say which congestion control links over TCP get"
	case name == "bbr":
		f.Detail = "links over TCP get bbr"
	default:
		f.Verdict = verdictWarn
		f.Detail = fmt.Sprintf("links over TCP get %s: on a long line that loses packets it moves a fraction of what bbr does", name)
		f.Hint = "sysctl -w net.ipv4.tcp_congestion_control=bbr, or add bbr to net.ipv4.tcp_allowed_congestion_control; modprobe tcp_bbr where net.ipv4.tcp_available_congestion_control lacks it"
	}
	p.say(f)
}

// scopeOf says in a word from where a URL can be dialled, as far as its host tells.
func scopeOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "unknown"
	}
	addr, err := netip.ParseAddr(u.Hostname())
	addr = addr.Unmap()
	switch {
	case err != nil && strings.EqualFold(u.Hostname(), "localhost"):
		return "loopback"
	case err != nil:
		return "name"
	case addr.IsLoopback():
		return "loopback"
	case addr.IsLinkLocalUnicast():
		return "link-local"
	case addr.IsPrivate():
		return "private"
	}
	return "public"
}

// scopeWords say who can dial a URL of a scope.
var scopeWords = map[string]string{
	"unknown": "no URL", "loopback": "loopback: this machine alone", "link-local": "link-local: this network segment alone",
	"private": "private: this network alone", "name": "a name: whoever can resolve it", "public": "public: everybody, if no firewall is between",
}
