//go:build !linux

package ws

func (*probe) ask(uintptr) {}
