//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly

package main

import (
	"errors"
	"os"
)

// isTTY says no: on this system everything is printed plainly.
func isTTY(*os.File) bool { return false }

func readKeys(*os.File) (restore func(), err error) { return nil, errors.ErrUnsupported }

func sizeOf(*os.File) (columns, rows int) { return 80, 24 }
