package main

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// errQuit is the cause of a context that the user's q ended.
var errQuit = errors.New("quit")

// keyEscape is what the terminal sends for Esc, and before what it sends for
// arrows and the like.
const keyEscape = 0x1b

// keys reads a terminal key by key.
type keys struct {
	restore func() // the terminal's way of reading
	over    atomic.Bool
	reading sync.WaitGroup
}

// openKeys calls pressed for each key, on another goroutine, until close. Without
// a terminal to read from there are none.
func openKeys(in io.Reader, pressed func(key byte)) *keys {
	k := &keys{restore: func() {}}
	if f, ok := in.(*os.File); ok {
		if restore, err := readKeys(f); err == nil {
			k.restore = restore
			k.reading.Go(func() { k.read(f, pressed) })
		}
	}
	return k
}

// read hands keys on until close. A read ends by itself after keyWait, which also
// tells Esc from a key whose sequence begins with it.
func (k *keys) read(in io.Reader, pressed func(key byte)) {
	var b [1]byte
	var filter escapes
	for !k.over.Load() {
		n, err := in.Read(b[:])
		switch {
		case n > 0:
			filter.take(b[0], pressed)
		case err != nil && !errors.Is(err, io.EOF): // no key within the time reads as an end
			return
		default:
			filter.pause(pressed)
		}
	}
}

// close gives the terminal its way of reading back.
func (k *keys) close() {
	k.over.Store(true)
	k.reading.Wait()
	k.restore()
}

// escapes leaves out the sequences of keys that send more than one byte.
type escapes struct{ begun, within bool }

func (e *escapes) take(b byte, pressed func(key byte)) {
	switch {
	case e.within: // up to the letter, or ~, that ends it
		e.within = b < '@' || b > '~'
	case e.begun && (b == '[' || b == 'O'):
		e.begun, e.within = false, true
	case b == keyEscape:
		e.begun = true
	default:
		e.begun = false
		pressed(b)
	}
}

// pause is called when nothing came for a while: what began has ended.
func (e *escapes) pause(pressed func(key byte)) {
	if e.begun {
		pressed(keyEscape)
	}
	*e = escapes{}
}

// untilQuit derives a context that q and Esc end, with the cause errQuit, and
// hands on other keys. The returned function gives the terminal back.
func untilQuit(ctx context.Context, in io.Reader, pressed func(key byte)) (context.Context, func()) {
	ctx, quit := context.WithCancelCause(ctx)
	k := openKeys(in, func(key byte) {
		switch key {
		case 'q', 'Q', keyEscape:
			quit(errQuit)
		default:
			pressed(key)
		}
	})
	return ctx, func() {
		k.close()
		quit(nil)
	}
}

// unlessQuit is err, or nil after the user's q.
func unlessQuit(ctx context.Context, err error) error {
	if context.Cause(ctx) == errQuit {
		return nil
	}
	return err
}
