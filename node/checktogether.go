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
			errs = append(errs, fmt.Errorf("config: %s has no effect with %s: leave one of them out", field, beside))
		}
	}
	if c.WebRTC == WebRTCOff || c.WebRTC == "" && !webrtc.Supported {
		idle(c.MaxWebRTC > 0, "MaxWebRTC", "WebRTC off")
		idle(c.WebRTCListen != "", "WebRTCListen", "WebRTC off")
		idle(len(c.ICEServers) > 0, "ICEServers", "WebRTC off")
	}
	// A leaf may well have a port: others dial it for links of their own with it.
	idle(c.Leaf && c.MaxLeaves > 0, "MaxLeaves", "Leaf, which is no leaf's home")
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
