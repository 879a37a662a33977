package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// The parts of a node that its state directory holds.
const (
	partState      = "state"
	partKnownPeers = "known-peers"

	keyOfLock = "lock of the state" // of its warning
)

// stateDir watches whether the state directory is still this node's: it may be
// deleted, moved, or made anew by somebody else meanwhile. See ADR 042.
type stateDir struct {
	mu   sync.Mutex
	key  os.FileInfo // the identity's file, as it was when it held this node's key
	lock os.FileInfo // the lock's file, as it was when the lock was taken; nil: there is no lock
}

// lookAtState says whether the known peers may be written to the state directory, and
// warns of what is wrong with it.
func (n *Node) lookAtState(now time.Time) (ours bool) {
	n.stateDir.mu.Lock()
	defer n.stateDir.mu.Unlock()
	w, wrong := n.stateTrouble()
	if wrong {
		w.Part, w.Since, w.Broken = partState, now, true
		n.setWarning(partState, w)
	} else {
		n.clearWarning(partState, now)
	}
	return !wrong
}

// stateTrouble is what is wrong with the state directory. It needs the lock.
func (n *Node) stateTrouble() (w Warning, wrong bool) {
	dir := n.cfg.StateDir
	info, err := os.Lstat(identity.KeyFile(dir))
	if err == nil && !sameFile(info, n.stateDir.key) {
		err = n.readOwnKey(info)
	}
	var other *foreignKeyError
	switch {
	case errors.As(err, &other):
		return Warning{
			Text: fmt.Sprintf("the state directory %s holds the identity %s now, which is not this node's: nothing is written there", dir, other.id.Short()),
			Hint: "give each node a --state of its own; this node keeps its ID until it ends, and then has it only with its identity.key, from a copy",
		}, true
	case errors.Is(err, fs.ErrNotExist):
		return Warning{
			Text: fmt.Sprintf("the state directory %s, or the identity in it, is gone: the next start has another ID", dir),
			Hint: "put it back, from a copy; this node keeps its ID until it ends",
		}, true
	case err != nil:
		return Warning{Text: fmt.Sprintf("the state directory %s: %v", dir, err), Hint: "make it readable for the user that runs this; the next start fails otherwise"}, true
	}
	if err := identity.Writable(dir); err != nil {
		return Warning{Text: fmt.Sprintf("nothing can be written to the state directory %s: %v", dir, rootCause(err)), Hint: writeHint(err)}, true
	}
	if err := n.lockAgain(); err != nil {
		return Warning{
			Text: fmt.Sprintf("the lock of the state directory is another's: %v", err),
			Hint: "stop the other process; each node needs a --state of its own",
		}, true
	}
	return Warning{}, false
}

// foreignKeyError says that the state directory holds another node's key.
type foreignKeyError struct{ id routing.ID }

func (e *foreignKeyError) Error() string { return "the identity of another node, " + e.id.Short() }

// readOwnKey looks at a file of the identity that is another than before.
func (n *Node) readOwnKey(info os.FileInfo) error {
	id, err := identity.Load(n.cfg.StateDir)
	if err != nil {
		return err
	}
	if routing.ID(id.ID()) != n.id {
		return &foreignKeyError{routing.ID(id.ID())}
	}
	n.stateDir.key = info
	return nil
}

// lockAgain takes the lock if its file is another than before, or there was none that
// could be had.
func (n *Node) lockAgain() error {
	file := identity.LockFile(n.cfg.StateDir)
	if info, err := os.Lstat(file); err == nil && n.stateDir.lock != nil && os.SameFile(info, n.stateDir.lock) {
		return nil
	}
	lock, err := identity.LockDir(n.cfg.StateDir)
	if used := (*identity.DirInUseError)(nil); errors.As(err, &used) {
		return err
	}
	if err != nil {
		n.setWarning(keyOfLock, Warning{
			Part: partState, Text: fmt.Sprintf("nothing keeps a second node out of the state directory: %v", err), Since: time.Now(),
			Hint: "start no other process with this --state; choose one on a file system that has locks",
		})
		return nil
	}
	n.clearWarning(keyOfLock, time.Now())
	n.unlockState()
	n.stateLock = lock
	n.stateDir.lock, _ = os.Lstat(file) // nil: it is gone already, and locked anew
	return nil
}

// sameFile says that a file is the one that it was, and was not written meanwhile.
// A deleted file's number may be used again.
func sameFile(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// beginStateDir notes the files that were read and locked.
func (n *Node) beginStateDir() {
	if n.cfg.StateDir == "" {
		return
	}
	if n.stateLock != nil {
		n.stateDir.lock, _ = os.Lstat(identity.LockFile(n.cfg.StateDir)) // nil: it is locked anew
	}
	n.lookAtState(n.started)
}

// keepStateDir looks at the state directory while the node runs. When it is right again
// the known peers are written at once.
func (n *Node) keepStateDir() {
	timer := time.NewTicker(limits.StateLook)
	defer timer.Stop()
	ours := n.lookAtState(time.Now())
	for {
		select {
		case <-timer.C:
			was := ours
			if ours = n.lookAtState(time.Now()); ours && (!was || n.known.missing()) {
				n.saveKnownPeers(false)
			}
		case <-n.ctx.Done():
			return
		}
	}
}

// writeHint is what to do about an error of writing a file.
func writeHint(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free some space there; it is tried again every minute"
	case errors.Is(err, syscall.EROFS):
		return "mount it for writing, or give another --state"
	case errors.Is(err, fs.ErrPermission):
		return "make the directory writable for the user that runs this"
	}
	return "it is tried again every minute"
}
