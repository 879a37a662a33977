package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/transport/webrtc"
)

const partICE = "ice"

// iceServers are those of the config, as they were found last. Any goroutine.
type iceServers struct {
	mu   sync.Mutex
	dead map[string]bool // TURN servers that relay nothing

	again chan struct{} // capacity 1: they are to be asked again now
}

// inUse leaves out TURN servers that relay nothing: what waits for them keeps a link
// over WebRTC from ending. STUN servers that are silent cost nothing.
func (s *iceServers) inUse(all []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dead) == 0 {
		return all
	}
	var left []string
	for _, text := range all {
		if !s.dead[text] {
			left = append(left, text)
		}
	}
	return left
}

func (s *iceServers) set(text string, dead bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == nil {
		s.dead = make(map[string]bool)
	}
	if delete(s.dead, text); dead {
		s.dead[text] = true
	}
}

// CheckICEServer finds out whether a server of [Config.ICEServers] works: whether a STUN
// server answers, or a TURN server relays for this user and password. It takes 5 s at
// most, and returns how long it took. TLSCA of the config counts for servers over TLS.
func (c Config) CheckICEServer(ctx context.Context, text string) (time.Duration, error) {
	var f files
	if c.TLSCA != "" {
		if err := f.add(f.authorities(c.TLSCA)); err != nil {
			return 0, err
		}
	}
	server, err := webrtc.ParseServer(text)
	if err != nil {
		return 0, err
	}
	return webrtc.CheckServer(ctx, server, f.roots.Load())
}

// keepICEServers looks at all servers while the node runs: without it a wrong password
// or a server that is gone would be found by nobody, as links that need no help come
// about all the same.
func (n *Node) keepICEServers() {
	for {
		next := limits.ICEServerLook
		if !n.checkICEServers() {
			next = limits.ICEServerRetry
		}
		select {
		case <-time.After(next):
		case <-n.ice.again:
		case <-n.ctx.Done():
			return
		}
	}
}

// checkICEServers asks all at once, and says whether all are well.
func (n *Node) checkICEServers() bool {
	var asking sync.WaitGroup
	errs := make([]error, len(n.cfg.ICEServers))
	for i, text := range n.cfg.ICEServers {
		asking.Go(func() {
			guard.Do("a question to an ICE server", func() { errs[i] = n.checkOneICEServer(text) }, n.note)
		})
	}
	asking.Wait()
	return errors.Join(errs...) == nil
}

func (n *Node) checkOneICEServer(text string) error {
	server, err := webrtc.ParseServer(text)
	if err == nil {
		_, err = webrtc.CheckServer(n.ctx, server, n.files.roots.Load())
	}
	if n.ctx.Err() != nil {
		return nil
	}
	now, key := time.Now(), partICE+" "+text
	n.ice.set(text, server.Relay && err != nil)
	if err == nil {
		n.clearWarning(key, now)
		return nil
	}
	w := Warning{Part: partICE, Text: fmt.Sprintf("the ICE server %s does not help: %v", secret.URL(text), err), Hint: ICEServerHint(err), Since: now, Broken: true}
	n.setWarning(key, w)
	return err
}

// ICEServerHint says what to do about an error of [Config.CheckICEServer].
func ICEServerHint(err error) string {
	if errors.Is(err, webrtc.ErrServerLogin) {
		return "are user and password right, and have they not ended? a \":\" in the user is written %3A, an \"@\" %40, a \"%\" %25"
	}
	return "is it running, are host, port and transport right, and does no firewall keep this machine from it?"
}
