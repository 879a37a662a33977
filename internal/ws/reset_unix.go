//go:build unix

package ws

import (
	"errors"
	"syscall"
)

// isReset tells whether err is the kernel's word that the peer is gone.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
