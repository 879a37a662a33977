package sealed

import "encoding/binary"

// runMax is the longest run of frames that a relay copies at once, in bytes.
const runMax = 32 << 10

// nextFrame splits the first frame, without its length, off a batch.
func nextFrame(batch []byte) (frame, rest []byte, err error) {
	if len(batch) < lengthLen {
		return nil, nil, errFrame
	}
	end := lengthLen + int(binary.BigEndian.Uint16(batch))
	if end < lengthLen+headerLen || len(batch) < end {
		return nil, nil, errFrame
	}
	return batch[lengthLen:end], batch[end:], nil
}

// forwarder is a relay's reader: its routing table has one entry.
type forwarder struct {
	dst  name
	next *link
}

// batch passes the frames on in runs and wakes the next link's writer once.
func (f *forwarder) batch(batch []byte) error {
	run, frames, all := 0, 0, 0
	for rest := batch; len(rest) > 0; {
		frame, after, err := nextFrame(rest)
		if err != nil || name(frame[3:23]) != f.dst || frame[2] == 0 {
			return errFrame
		}
		frame[2]--
		if run+lengthLen+len(frame) > runMax && run > 0 {
			if err := f.next.append(batch[:run], frames); err != nil {
				return err
			}
			batch, run, frames = batch[run:], 0, 0
		}
		run, frames, all = run+lengthLen+len(frame), frames+1, all+1
		rest = after
	}
	if err := f.next.append(batch[:run], frames); err != nil {
		return err
	}
	return f.next.kick(all)
}

// end is A or C: it seals what it sends and opens what arrives.
type end struct {
	session *session
	link    *link
	inbox   *inbox
}

func (e *end) send(msg []byte) error { return e.link.send(e.session.seal(msg)) }

// batch delivers the frames and wakes the application once.
func (e *end) batch(batch []byte) error {
	for len(batch) > 0 {
		frame, rest, err := nextFrame(batch)
		if err != nil || name(frame[3:23]) != e.session.self {
			return errFrame
		}
		data, err := e.session.open(frame)
		if err != nil {
			return err
		}
		if err := e.inbox.put(data); err != nil {
			return err
		}
		batch = rest
	}
	e.inbox.ready.Signal()
	return nil
}
