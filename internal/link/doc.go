// Package link is one live connection to a neighbour: what the two ends owe
// each other, and how frames gather into records.
//
// # Shape
//
// A [Link] holds what waits to be written, by the link it came in by (its
// source), and within a source by class. One writer goroutine takes what has
// gathered, at most limits.LinkBatch bytes at a time and round robin over the
// sources, seals it in place and hands it to the carrier with one flush. One
// reader goroutine receives records, opens them in place and gives each whole
// batch to a [Handler]. Batching comes by itself while the writer is busy and
// adds no delay while it is not: whoever completes a small batch on an idle
// link flushes it itself, without blocking ([Link.Kick], [Link.AppendOwn]). An
// idle link has no writer: it is started when it is needed. A
// handler that sends frames on rouses the writers of other links ([Link.Rouse])
// when it has dealt with all that has arrived ([Link.Defer]): else small batches
// stay small over a whole chain of relays, at up to twice the cost. On a
// link that moves less than limits.SlowRate a flush takes a small chunk, and less
// of it waits in the carrier, so that the other sources' turn comes soon.
//
// # Slow links
//
// On a link that moves less than limits.FlowRate each frame waits by itself in its
// flow: the frames of one class from one node to another that came in by one link.
// Turns go by source first, and within a source by flow, so that one node has one
// share however many it talks to; who had nothing waiting goes first once (turns.go).
// Datagrams of a flow with a standing queue are dropped by CoDel (codel.go), and
// messages of others are marked as they leave (marks.go). As much may wait as the line
// takes in limits.SlowQueueTime (room.go). When the link turns slow the chunks that
// wait are taken apart, and when it is fast again the frames are poured back
// (slow.go): a fast link pays for none of it.
//
// What was handed to the carrier nobody can pass any more. Where the carrier can tell
// of its line (Config.Line) it holds no more than that line has use for, and the
// neighbour leaves no more than twice that unread (line.go, stretch.go, ADR 047). The
// rest waits here until the carrier has room, which is looked at when an ack comes and
// by a timer. A new link is slow until its neighbour was seen to read fast.
//
// On a link that moves less than limits.PieceRate a long frame leaves in pieces, with
// others' frames between them (pieces.go), and what comes in pieces is put together
// before the handler sees it (join.go).
//
// # Drafts
//
// Small datagrams of this node itself are written into the queue unsealed, those
// to one port of one peer in one frame while nothing stands behind it
// ([Link.AppendDatagram]). The frame is sealed together with the record that it
// leaves in, outside of the link's lock. All other frames come sealed. Only class
// bulk, which is not kept, has drafts: none gets into the sent ring.
//
// A carrier may want its messages shorter than it could take them, by a method
// Batch() int: then frames gather in messages of that many bytes at most, and a
// longer frame goes alone.
//
// # Handshakes
//
// [Dial] and [Accept] prove the two ends to each other by a Noise handshake, and
// the link is sealed with its keys. On a carrier that encrypts by itself and
// says with which certificates, [Meet] proves these.
//
// # Back-pressure
//
// limits.LinkQueue bytes may wait, shared among the sources that have
// something waiting. [Link.Append] says when a share is used up; the caller
// waits for room ([Link.Wait]) for a bounded time and, if that was in vain,
// marks the source stalled ([Link.MarkStalled]): its frames are then refused
// until half of its share is free. This node's own frames of classes 0 to 2 are
// refused at once; [Config.OnRoom] says when they may be appended again. Link frames (pings, acks, a bye) have their
// own queue and are never refused for data; a peer that lets more than
// limits.ControlFrames of them gather is cut.
//
// # Acks
//
// Acks count the bytes of all carrier messages that the neighbour has dealt with, so
// that traffic of any class proves a link or disproves it: one whose neighbour takes
// nothing for a while of what was sent to it is suspect, and frames avoid it. One
// that takes a little now and then is slow. A neighbour that answers pings and for
// limits.AckPatience takes nothing is cut.
//
// Mesh frames of classes 0 to 2 stay in the sent ring until the neighbour has
// taken them. [Link.TakeRing] hands those of a suspect link back so that they go
// another way: once, and from then on only as much as an eighth of what the neighbour
// has taken.
//
// # Memory
//
// What waits, what the carrier has not written yet and what is kept is charged to
// the node's budget (package budget) with the memory that it retains, not with its
// length. Chunks come in a few sizes so that little retains little, and the sent
// ring copies records into one memory. A link that holds more than its part of what
// is free is Crowded: what comes is refused at once.
//
// # Purity
//
// The state (queue.go, flows.go, turns.go, pieces.go, join.go, draft.go, ring.go, taken.go, liveness.go,
// debt.go, duplicate.go) knows neither
// goroutines nor clocks; shell.go and writer.go are the goroutines, the timers
// and the carrier around it.
package link
