package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/ws"
)

// Reload reads the files of the config anew, at once: TLSCert and TLSKey, TLSCA and
// NetworkKeyFile. A running node does so by itself within a few seconds when one of
// them changes. What is right is used from then on, for new connections and
// handshakes; links and sessions stay. Of what is wrong the old stays in use, and
// the error, and a [Warning], say why.
func (n *Node) Reload() error {
	if n.ctx.Err() != nil {
		return ErrClosed
	}
	return n.lookAtFiles(time.Now(), true)
}

// keepFiles looks at the files, and at how long the certificate lasts, while the node
// runs.
func (n *Node) keepFiles() {
	timer := time.NewTicker(limits.FileLook)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			_ = n.lookAtFiles(time.Now(), false) // told already
		case <-n.ctx.Done():
			return
		}
	}
}

// lookAtFiles reads the files that have changed, or all, and tells of each change
// once.
func (n *Node) lookAtFiles(now time.Time, all bool) error {
	n.files.mu.Lock()
	defer n.files.mu.Unlock()
	var errs []error
	for _, s := range n.files.sets {
		changed, read, err := s.again(all)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("reload: %w", err))
			n.setWarning("file "+s.part, Warning{
				Part: s.part, Text: fmt.Sprintf("%v; what was read before stays in use", err),
				Hint: "put the file right: it is read again when it changes, and at a reload (SIGHUP)", Since: now,
			})
		case read:
			n.clearWarning("file "+s.part, now)
		}
		if changed {
			n.announce(Event{Kind: Reloaded, Time: now, Part: s.part})
			if s.part == partNetworkKey {
				n.sessions.SetNetworkKey(n.networkKey())
			}
		}
	}
	n.lookAtCertificate(now)
	return errors.Join(errs...)
}

// networkKey is the key of a closed mesh that handshakes are made with now.
func (n *Node) networkKey() []byte {
	if key := n.files.networkKey.Load(); key != nil {
		return *key
	}
	return n.cfg.NetworkKey
}

// lookAtCertificate warns of a certificate that nobody takes, or soon will not.
func (n *Node) lookAtCertificate(now time.Time) {
	cert := n.files.cert.Load()
	if cert == nil {
		return
	}
	if w, is := certificateWarning(cert, now); is {
		n.setWarning("life of the certificate", w)
	} else {
		n.clearWarning("life of the certificate", now)
	}
}

// certificateWarning is what is wrong with the time of a certificate. Its text does
// not change while that is the same.
func certificateWarning(cert *tls.Certificate, now time.Time) (w Warning, is bool) {
	from, until := validity(cert)
	w = Warning{Part: partCertificate, Hint: "renew the files of --cert and --key: they are read again when they change", Since: now}
	switch {
	case until.IsZero():
		return w, false
	case now.After(until):
		w.Broken = true
		w.Text = fmt.Sprintf("the certificate ended at %s: whoever checks it cannot link over wss", until.UTC().Format(time.RFC3339))
	case now.Before(from):
		w.Broken = true
		w.Text = fmt.Sprintf("the certificate is valid from %s on: whoever checks it cannot link over wss before", from.UTC().Format(time.RFC3339))
		w.Hint = "is this machine's clock right? " + w.Hint
	case until.Sub(now) <= limits.CertificateWarning:
		w.Text = fmt.Sprintf("the certificate ends at %s, in less than %d days", until.UTC().Format(time.RFC3339), int(limits.CertificateWarning.Hours()/24))
	default:
		return w, false
	}
	return w, true
}

// validity is when all certificates of a chain are valid.
func validity(chain *tls.Certificate) (from, until time.Time) {
	for i, der := range chain.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			continue // what is behind the first is for others to judge
		}
		if i == 0 || c.NotBefore.After(from) {
			from = c.NotBefore
		}
		if i == 0 || c.NotAfter.Before(until) {
			until = c.NotAfter
		}
	}
	return from, until
}

// CheckWarnings are the warnings that a node of this config would begin with and that
// its files show: a certificate that has ended, or ends within 14 days. Of files that
// cannot be read [Config.Check] tells.
func (c Config) CheckWarnings(now time.Time) []Warning {
	if c.TLSCert == "" || c.TLSKey == "" {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil
	}
	if w, is := certificateWarning(&cert, now); is {
		return []Warning{w}
	}
	return nil
}

// webDialer dials over WebSocket with the roots of now.
type webDialer struct {
	ws.Dialer
	files *files
}

// Dial implements transport.Dialer.
func (d *webDialer) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	with := d.Dialer
	with.TLSConfig = &tls.Config{RootCAs: d.files.roots.Load(), MinVersion: tls.VersionTLS12}
	return with.Dial(ctx, u)
}
