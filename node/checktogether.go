package node

import (
	"errors"
	"fmt"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/transport/webrtc"
)

// checkTogether finds what is set and can have no effect beside something else
// that is. It looks at the config as it was given: a default is no contradiction.
func (c *Config) checkTogether() error {
	var errs []error
	idle := func(set bool, field, beside string) {
		if set {
			errs = append(errs, fmt.Errorf("config: %s has no effect with %s", field, beside))
		}
	}
	if c.WebRTC == WebRTCOff || !webrtc.Supported {
		beside := "WebRTC off: leave one of them out"
		if !webrtc.Supported {
			beside = "the tag nowebrtc, which this program was built with: leave it out"
		}
		idle(c.MaxWebRTC > 0, "MaxWebRTC", beside)
		idle(c.WebRTCListen != "", "WebRTCListen", beside)
		idle(len(c.ICEServers) > 0, "ICEServers", beside)
	}
	// A leaf may well have a port: others dial it for links of their own with it.
	idle(c.Leaf && c.MaxLeaves > 0, "MaxLeaves", "Leaf, which is no leaf's home: leave one of them out")
	return errors.Join(errs...)
}

// checkState says whether there is, or can be, an identity in StateDir.
func (c *Config) checkState() error {
	if c.StateDir == "" {
		return nil
	}
	if err := identity.Usable(c.StateDir); err != nil {
		return fmt.Errorf("config: StateDir: %w", err)
	}
	return nil
}
