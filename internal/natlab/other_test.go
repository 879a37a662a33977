//go:build !linux

package natlab

import "testing"

func TestLab(t *testing.T) {
	t.Skip("network namespaces are Linux's: run it there, as root")
}
