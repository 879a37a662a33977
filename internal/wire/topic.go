package wire

// MaxTopicPayload bounds what an announcement may say, in bytes.
const MaxTopicPayload = 512

// Topic is the body of a topic record: that its signer takes part in a topic.
//
//	offset  size  field
//	0       20    topic ID
//	20      ..    payload of the application, 0 to 512 bytes, to the end
type Topic struct {
	ID      ID
	Payload []byte
}

// AppendTopic appends v.
func AppendTopic(dst []byte, v *Topic) []byte {
	return append(append(dst, v.ID[:]...), v.Payload...)
}

// ParseTopic reads the topic body that fills b. The payload aliases b.
func ParseTopic(b []byte) (Topic, error) {
	r := reader{b: b}
	v := Topic{ID: r.id()}
	v.Payload = r.rest()
	r.require(len(v.Payload) <= MaxTopicPayload, ErrTooLong)
	return finish(&r, v)
}
