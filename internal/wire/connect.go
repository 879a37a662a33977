package wire

// Bounds of what is said on ConnectPort, beside those of a contact's URLs.
const (
	MaxSDP            = 8_192 // bytes of an offer or answer; one for data alone has 700
	MaxCandidates     = 16    // of each end of a link
	MaxCandidateBytes = 256   // bytes of one of them
)

// ConnectPort is the mesh's own port on which nodes arrange direct links:
// ConnectAsk is the data of a request, ConnectReply of its response, Candidates
// and ConnectOver of a message.
const ConnectPort = 0xFF01

// connectVersion begins all bodies of ConnectPort. Bytes behind what this
// version knows are of a later one and are ignored.
const connectVersion = 1

// ConnectKind says what a body of ConnectPort is. One byte.
type ConnectKind uint8

// The kinds.
const (
	ConnectLink       ConnectKind = 1 // ask: a link, please; the asker's URLs and offer
	ConnectLinkBack   ConnectKind = 2 // ask: the same, and your URLs lead nowhere from here
	ConnectDialMe     ConnectKind = 3 // reply: the URLs of who replies
	ConnectLinked     ConnectKind = 4 // reply: the link is up
	ConnectNoWay      ConnectKind = 5 // reply: there is no link, see Reason
	ConnectAnswer     ConnectKind = 6 // reply: the answer to the offer
	ConnectYield      ConnectKind = 7 // reply: the offer of who replies counts, drop yours
	connectCandidates ConnectKind = 8
	connectOver       ConnectKind = 9
)

// Session names one WebRTC offer and what belongs to it: 16 random bytes of who
// made it. The zero Session is none.
type Session = [16]byte

// ConnectAsk asks a node for a direct link.
//
//	offset  size  field
//	0       1     version, 1
//	1       1     kind: 1 link, 2 link back
//	2       1     bit 0: direct; bit 1: needed; bits 2-7 zero
//	3       1     count, 0 to 8
//	4       ..    count × { length u16 (1 to 256), URL }
//	..      16    session; zero: no offer
//	..      2     length of the offer, 0 to 8,192; 0 exactly when the session is zero
//	..      ..    offer: SDP
//	..      ..    ignored
type ConnectAsk struct {
	Kind    ConnectKind
	Direct  bool // for two nodes that talk much or whose user asked, not for the mesh's sake
	Need    bool // the asker has no link that would do instead
	URLs    []string
	Session Session
	SDP     string
}

// The bits of an ask.
const (
	askDirect = 1 << iota
	askNeed
)

// AppendConnectAsk appends v. URLs beyond the bounds are left out.
func AppendConnectAsk(dst []byte, v *ConnectAsk) []byte {
	var flags byte
	if v.Direct {
		flags |= askDirect
	}
	if v.Need {
		flags |= askNeed
	}
	dst = append(dst, connectVersion, byte(v.Kind), flags)
	return appendOffer(appendURLs(dst, v.URLs), v.Session, v.SDP)
}

// ParseConnectAsk reads the ConnectAsk that begins b. The SDP has not been
// looked at.
func ParseConnectAsk(b []byte) (ConnectAsk, error) {
	r := reader{b: b}
	v := ConnectAsk{Kind: r.connect(ConnectLink, ConnectLinkBack)}
	flags := r.u8()
	r.require(flags&^(askDirect|askNeed) == 0, ErrFlags)
	v.Direct, v.Need = flags&askDirect != 0, flags&askNeed != 0
	v.URLs = r.urls()
	v.Session, v.SDP = r.offer()
	r.require((v.Session == Session{}) == (v.SDP == ""), ErrValue)
	return begun(&r, v)
}

// ConnectReply answers a ConnectAsk.
//
//	offset  size  field
//	0       1     version, 1
//	1       1     kind: 3 dial me, 4 linked, 5 no way, 6 answer, 7 yield
//	2       1     reason of a no way, a number of internal/reason; 0: none is told
//	3       1     count, 0 to 8
//	4       ..    count × { length u16 (1 to 256), URL }
//	..      16    session of the offer that is replied to; not zero in an answer and a yield
//	..      2     length of the answer, 0 to 8,192; not 0 exactly in an answer
//	..      ..    answer: SDP
//	..      ..    ignored
type ConnectReply struct {
	Kind    ConnectKind
	Reason  uint8
	URLs    []string
	Session Session
	SDP     string
}

// AppendConnectReply appends v. URLs beyond the bounds are left out.
func AppendConnectReply(dst []byte, v *ConnectReply) []byte {
	dst = append(dst, connectVersion, byte(v.Kind), v.Reason)
	return appendOffer(appendURLs(dst, v.URLs), v.Session, v.SDP)
}

// ParseConnectReply reads the ConnectReply that begins b. The SDP has not been
// looked at.
func ParseConnectReply(b []byte) (ConnectReply, error) {
	r := reader{b: b}
	v := ConnectReply{Kind: r.connect(ConnectDialMe, ConnectYield), Reason: r.u8(), URLs: r.urls()}
	v.Session, v.SDP = r.offer()
	r.require(v.Session != (Session{}) || v.Kind < ConnectAnswer, ErrValue)
	r.require((v.SDP != "") == (v.Kind == ConnectAnswer), ErrValue)
	return begun(&r, v)
}

// Candidates are ICE candidates found after the offer or the answer of a
// session had left.
//
//	offset  size  field
//	0       1     version, 1
//	1       1     kind, 8
//	2       16    session, not zero
//	18      2     number of the first, from 0; with count at most 16
//	20      1     count, 0 to 16
//	21      ..    count × { length u16 (1 to 256), candidate, UTF-8 without control characters }
//	..      ..    ignored
type Candidates struct {
	Session Session
	First   uint16
	Lines   []string
}

// AppendCandidates appends v.
func AppendCandidates(dst []byte, v *Candidates) []byte {
	dst = append(append(dst, connectVersion, byte(connectCandidates)), v.Session[:]...)
	dst = append(appendU16(dst, v.First), byte(len(v.Lines)))
	for _, line := range v.Lines {
		dst = append(appendU16(dst, uint16(len(line))), line...)
	}
	return dst
}

// ParseCandidates reads the Candidates that begin b. The lines are clean text
// but have not been looked at as candidates.
func ParseCandidates(b []byte) (Candidates, error) {
	r := reader{b: b}
	r.connect(connectCandidates, connectCandidates)
	var v Candidates
	r.fill(v.Session[:])
	r.require(v.Session != (Session{}), ErrValue)
	v.First = r.u16()
	count := r.count(MaxCandidates)
	r.require(int(v.First)+count <= MaxCandidates, ErrCount)
	if count > 0 && r.bad == nil {
		v.Lines = make([]string, count)
	}
	for i := range v.Lines {
		n := int(r.u16())
		r.require(n > 0 && n <= MaxCandidateBytes, ErrLength)
		v.Lines[i] = r.text(n)
	}
	return begun(&r, v)
}

// ConnectOver says that its sender has given a session up before there was a link.
//
//	offset  size  field
//	0       1     version, 1
//	1       1     kind, 9
//	2       16    session, not zero
//	18      ..    ignored
type ConnectOver struct{ Session Session }

// AppendConnectOver appends v.
func AppendConnectOver(dst []byte, v *ConnectOver) []byte {
	return append(append(dst, connectVersion, byte(connectOver)), v.Session[:]...)
}

// ParseConnectOver reads the ConnectOver that begins b.
func ParseConnectOver(b []byte) (ConnectOver, error) {
	r := reader{b: b}
	r.connect(connectOver, connectOver)
	var v ConnectOver
	r.fill(v.Session[:])
	r.require(v.Session != (Session{}), ErrValue)
	return begun(&r, v)
}

func appendURLs(dst []byte, urls []string) []byte {
	at := len(dst)
	dst = append(dst, 0)
	for _, u := range urls {
		if len(u) == 0 || len(u) > MaxContactURLBytes || dst[at] == MaxContactURLs {
			continue
		}
		dst = append(appendU16(dst, uint16(len(u))), u...)
		dst[at]++
	}
	return dst
}

func appendOffer(dst []byte, session Session, sdp string) []byte {
	dst = appendU16(append(dst, session[:]...), uint16(len(sdp)))
	return append(dst, sdp...)
}

// connect reads the version and the kind, from first to last.
func (r *reader) connect(first, last ConnectKind) ConnectKind {
	r.require(r.u8() == connectVersion, ErrVersion)
	kind := ConnectKind(r.u8())
	r.require(kind >= first && kind <= last, ErrType)
	return kind
}

// urls reads count u8 and as many { length u16, URL }; none is nil.
func (r *reader) urls() (v []string) {
	for range r.count(MaxContactURLs) {
		v = append(v, r.url())
	}
	return v
}

func (r *reader) offer() (session Session, sdp string) {
	r.fill(session[:])
	n := int(r.u16())
	r.require(n <= MaxSDP, ErrTooLong)
	return session, string(r.take(n))
}

// begun is finish for a body that may go on behind what is known of it.
func begun[T any](r *reader, v T) (T, error) {
	r.b = nil
	return finish(r, v)
}
