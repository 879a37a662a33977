package admin

import (
	"maps"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/node"
)

// metricsHandler serves the node's metrics and those of the Go run time and the
// process, from a registry of its own.
func metricsHandler(cfg Config) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(cfg), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: limits.AdminScrapes})
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("peermesh_"+name, help, labels, nil)
}

// The metrics. Names and labels stay what they are. A scrape costs a walk over
// the links, a frame next to nothing.
var (
	buildInfo   = desc("build_info", "Always 1; the labels tell what runs.", "version", "goversion", "commit")
	uptime      = desc("uptime_seconds", "Time since the node's start.")
	links       = desc("links", "Live links.", "transport", "dir", "role")
	suspects    = desc("suspect_links", "Live links whose acks are late; frames avoid them.")
	frames      = desc("frames_total", "Frames by what they are and what became of them.", "type", "action")
	bytesTotal  = desc("bytes_total", "Bytes that crossed links, encryption included.", "dir", "transport")
	drops       = desc("drops_total", "Frames dropped and links refused, by reason.", "reason")
	limitHits   = desc("limit_hits_total", "What a bound of this node dropped or refused, by the name of it.", "limit")
	rtt         = desc("rtt_seconds", "Round trip to the peers: the fastest, the middle and the slowest link.", "stat")
	queueFill   = desc("queue_fill_ratio", "Share of the outgoing queue that is used, of the link where it is most; 1 is full.")
	tableSize   = desc("table_entries", "Relay links in the routing table.")
	tableBucket = desc("table_buckets", "Buckets of the routing table that hold a link.")
	dials       = desc("dials_total", "Dials by how they ended.", "result")
	sessions    = desc("sessions", "Peers with an end-to-end session.")
	ports       = desc("ports", "Open ports of the mesh.")
	limitUsed   = desc("limit_used", "How much of a bound is used.", "limit")
	limitMax    = desc("limit_max", "The bound.", "limit")
	attached    = desc("attached", "1 if others than its peers can reach the node.")
	bootstraps  = desc("bootstraps", "Bootstrap URLs, by whether they are linked.", "linked")
	hops        = desc("hops", "Links that the delivered frames crossed.")
	forwardTime = desc("forward_seconds", "Time from opening a batch of frames to having queued them onward, of one batch in 64.")
	warnings    = desc("warnings", "Parts of the node that are not as they should be; its status says why.", "part")
	panics      = desc("panics_total", "Faults of the program or of a handler that ended a part of the node; the log has their stacks.")
	netChanges  = desc("network_changes_total", "Changes of the network below the node: addresses that came or went, another way out, sleep of the machine.")
	window      = desc("message_window_bytes", "Bytes of acknowledged messages that may be under way, and those that are, in the sessions used last.", "stat")
	messageRate = desc("message_rate_bytes", "Bytes of acknowledged messages a second that arrived lately, in the sessions used last.")
	messageBase = desc("message_base_seconds", "Least round trip of acknowledged messages lately, of the sessions used last: the fastest, the middle and the slowest.", "stat")
	marks       = desc("message_marks_total", "Copies of acknowledged messages of this node that a relay marked, as they left a queue that stood.")
	unsent      = desc("messages_unsent_total", "Acknowledged messages that ended and had not left, because they could not have arrived in time.")
	signalTime  = desc("signal_seconds", "Time from the offer of a link over WebRTC to its proof at both ends.")
)

// hopBounds are the buckets of hops: each number that is usual, up to limits.MaxHops.
var hopBounds = []int{1, 2, 3, 4, 5, 6, 8, 12, 16, 32, 64}

// transports are those that a node of this program has. What is counted for each is
// there from the start.
var transports = []string{"webrtc", "ws"}

// warningParts are the parts of a node that it warns of.
var warningParts = []string{"admin", "certificate", "ice", "known-peers", "network-key", "runtime-file", "state", "tls-ca", "webrtc-port"}

// collector reads the node's status at each scrape.
type collector struct{ Config }

func newCollector(cfg Config) prometheus.Collector { return &collector{cfg} }

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		buildInfo, uptime, links, suspects, frames, bytesTotal, drops, rtt, queueFill, tableSize, tableBucket, dials,
		sessions, ports, limitUsed, limitMax, limitHits, attached, bootstraps,
		hops, forwardTime, signalTime, panics, netChanges, warnings,
		window, messageRate, messageBase, marks, unsent,
	} {
		ch <- d
	}
}

// metrics writes samples.
type metrics chan<- prometheus.Metric

func (m metrics) gauge(d *prometheus.Desc, v float64, labels ...string) {
	m <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (m metrics) counter(d *prometheus.Desc, v uint64, labels ...string) {
	m <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	m, s := metrics(ch), c.picture()
	m.gauge(buildInfo, 1, c.Version, runtime.Version(), c.Commit)
	m.gauge(uptime, s.Uptime.Seconds())
	m.gauge(sessions, float64(s.Sessions))
	m.gauge(ports, float64(len(s.Ports)))
	m.gauge(attached, truth(s.Attached))
	m.counter(panics, s.Panics)
	m.counter(netChanges, s.NetworkChanges)
	m.warnings(s.Warnings)
	m.links(s.Peers)
	m.traffic(&s)
	m.drops(&s)
	m.messages(&s)
	for _, l := range s.Limits {
		m.gauge(limitUsed, float64(l.Used), l.Name)
		m.gauge(limitMax, float64(l.Max), l.Name)
	}
	entries := 0
	for _, b := range s.Table {
		entries += b.Links
	}
	m.gauge(tableSize, float64(entries))
	m.gauge(tableBucket, float64(len(s.Table)))
	linked := 0
	for _, b := range s.Bootstraps {
		linked += int(truth(b.Linked))
	}
	m.gauge(bootstraps, float64(linked), "yes")
	m.gauge(bootstraps, float64(len(s.Bootstraps)-linked), "no")
}

// drops tells of every reason from the start on: a rate misses the first of what
// begins to be there when it is 1.
func (m metrics) drops(s *node.Status) {
	hits := map[string]uint64{connectionsLimit: 0}
	for r := reason.None + 1; int(r) < reason.Count; r++ {
		m.counter(drops, s.Drops[r.String()], r.String())
		if r.IsLimit() {
			hits[r.String()] = 0
		}
	}
	maps.Copy(hits, s.LimitsHit)
	for name, count := range hits {
		m.counter(limitHits, count, name)
	}
}

func (m metrics) warnings(all []node.Warning) {
	byPart := make(map[string]int)
	for _, part := range warningParts {
		byPart[part] = 0
	}
	for _, w := range all {
		byPart[w.Part]++
	}
	for part, count := range byPart {
		m.gauge(warnings, float64(count), part)
	}
}

// links tells of the live links as a whole: a label for each peer would make a
// time series of every node that ever came by.
func (m metrics) links(peers []node.PeerInfo) {
	type kind struct{ transport, dir, role string }
	byKind := make(map[kind]int)
	for _, t := range transports { // an alert that there are none needs the 0
		for _, out := range []bool{false, true} {
			byKind[kind{t, direction(out), role(false)}], byKind[kind{t, direction(out), role(true)}] = 0, 0
		}
	}
	var rtts []time.Duration
	var fill float64
	suspect := 0
	for _, p := range peers {
		byKind[kind{p.Transport, direction(p.Outbound), role(p.Leaf)}]++
		fill = max(fill, p.QueueFill)
		suspect += int(truth(p.Suspect))
		if p.RTT > 0 {
			rtts = append(rtts, p.RTT)
		}
	}
	for k, count := range byKind {
		m.gauge(links, float64(count), k.transport, k.dir, k.role)
	}
	m.gauge(suspects, float64(suspect))
	m.gauge(queueFill, fill)
	m.spread(rtt, rtts)
}

// spread tells the least, the middle and the greatest of times, if there are any.
func (m metrics) spread(d *prometheus.Desc, all []time.Duration) {
	if len(all) > 0 {
		slices.Sort(all)
		m.gauge(d, all[0].Seconds(), "min")
		m.gauge(d, all[len(all)/2].Seconds(), "median")
		m.gauge(d, all[len(all)-1].Seconds(), "max")
	}
}

// messages tells of the acknowledged messages to all peers as a whole.
func (m metrics) messages(s *node.Status) {
	var open, inFlight, rate int
	var bases []time.Duration
	for _, v := range s.SessionList {
		open, inFlight, rate = open+v.Window, inFlight+v.InFlight, rate+v.Rate
		if v.Base > 0 {
			bases = append(bases, v.Base)
		}
	}
	m.gauge(window, float64(open), "window")
	m.gauge(window, float64(inFlight), "in-flight")
	m.gauge(messageRate, float64(rate))
	m.spread(messageBase, bases)
	m.counter(marks, s.Overload.Marked)
	m.counter(unsent, s.Overload.Unsent)
}

// traffic tells what was counted since the start.
func (m metrics) traffic(s *node.Status) {
	var received, sent uint64
	byTransport := make(map[string]node.Traffic)
	for _, t := range transports {
		byTransport[t] = node.Traffic{}
	}
	for _, t := range s.Traffic {
		byTransport[t.Transport] = t
	}
	for name, t := range byTransport {
		m.counter(bytesTotal, t.RxBytes, "in", name)
		m.counter(bytesTotal, t.TxBytes, "out", name)
		received, sent = received+t.RxFrames, sent+t.TxFrames
	}
	m.counter(frames, received, "mesh", "received")
	m.counter(frames, sent, "mesh", "sent")
	m.counter(frames, s.Forwarded, "mesh", "forwarded")
	m.counter(frames, s.Delivered, "mesh", "delivered")
	m.counter(frames, s.Upkeep.MeshFrames, "upkeep", "received")
	m.counter(frames, s.Upkeep.LinkFrames, "link", "received")
	m.counter(frames, s.Upkeep.Pings, "ping", "received")
	m.hops(s.Hops)
	m.times(forwardTime, &s.ForwardTimes)
	m.times(signalTime, &s.SignalTimes)
	m.counter(dials, s.Dials.Linked, "linked")
	m.counter(dials, s.Dials.Failed, "failed")
}

func (m metrics) hops(by []node.HopsInfo) {
	var frames, crossed uint64
	buckets := make(map[float64]uint64, len(hopBounds))
	for _, b := range hopBounds {
		buckets[float64(b)] = 0
	}
	for _, h := range by {
		frames += h.Frames
		crossed += uint64(h.Hops) * h.Frames
		for _, b := range hopBounds {
			if h.Hops <= b {
				buckets[float64(b)] += h.Frames
			}
		}
	}
	m <- prometheus.MustNewConstHistogram(hops, frames, float64(crossed), buckets)
}

func (m metrics) times(of *prometheus.Desc, t *node.Times) {
	buckets := make(map[float64]uint64, len(t.Buckets))
	var count uint64
	for _, b := range t.Buckets {
		if count += b.Count; b.AtMost > 0 {
			buckets[b.AtMost.Seconds()] = count
		}
	}
	m <- prometheus.MustNewConstHistogram(of, count, t.Total.Seconds(), buckets)
}

func direction(outbound bool) string {
	if outbound {
		return "out"
	}
	return "in"
}

func role(leaf bool) string {
	if leaf {
		return "leaf"
	}
	return "relay"
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
