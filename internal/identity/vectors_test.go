package identity

import (
	"bytes"
	"encoding/hex"
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/internal/wire/vectors"
)

var update = flag.Bool("update", false, "rewrite this package's sections of internal/wire/testdata/vectors.json")

func TestVectors(t *testing.T) {
	vectors.Section(t, "identity", *update, identityVectors())
	vectors.Section(t, "certs", *update, certVectors())
	vectors.Section(t, "records", *update, recordVectors())
	vectors.Section(t, "proofs", *update, proofVectors())
}

type identityVector struct {
	Seed   string `json:"seed"`
	Public string `json:"public"`
	ID     string `json:"id"`
	Key    string `json:"key"`
}

// vectorSeeds are the seeds 0101…, 0202…, 0303… and that of RFC 8032's first test.
func vectorSeeds() [][32]byte {
	rfc, _ := hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	seeds := [][32]byte{[32]byte(rfc)}
	for b := byte(1); b <= 3; b++ {
		seeds = append(seeds, [32]byte(bytes.Repeat([]byte{b}, 32)))
	}
	return seeds
}

func identityVectors() any {
	list := []identityVector{}
	for _, seed := range vectorSeeds() {
		i := FromSeed(seed)
		public, id := i.Public(), i.ID()
		key := KeyOf(id)
		list = append(list, identityVector{
			hex.EncodeToString(seed[:]), hex.EncodeToString(public[:]), hex.EncodeToString(id[:]), hex.EncodeToString(key[:]),
		})
	}
	private := [32]byte(bytes.Repeat([]byte{0x60}, 32))
	return map[string]any{
		"keys": list,
		"weak": weakVectors(),
		"statics": []any{
			vectors.Describe(StaticFromPrivate(private)),
			vectors.Describe(StaticFromPrivate([32]byte{1, 2, 3})),
		},
	}
}

// weakVectors are identity keys that must be refused whatever they sign, with
// and without the highest bit.
func weakVectors() []string {
	list := []string{}
	for key := range weakKeys {
		list = append(list, hex.EncodeToString(key[:]))
		key[31] |= 0x80
		list = append(list, hex.EncodeToString(key[:]))
	}
	slices.Sort(list)
	return list
}

// verdict is what a check says, beside the fields of its kind.
func verdict(fields map[string]any, err error) map[string]any {
	fields["valid"] = err == nil
	if err != nil {
		fields["error"] = err.Error()
	}
	return fields
}

func certVectors() any {
	alice, bob := seeded(1), seeded(2)
	good := alice.Certify(static, now)
	forged := good
	forged.Sig[63] ^= 1
	labelled := good
	labelled.Sig = alice.sign(good.SignedPart("peermesh-dtls-v1", static))
	weak := good
	weak.Public, weak.Sig = [32]byte{1}, [64]byte{0: 1}
	tests := []struct {
		name string
		cert wire.Cert
		want wire.ID
		at   time.Time
	}{
		{"of anybody", good, wire.ID{}, now},
		{"of the ID asked for", good, alice.ID(), now},
		{"right signature, wrong ID", good, bob.ID(), now},
		{"at the end of the tolerance", good, alice.ID(), now.Add(limits.CertLife + limits.ClockTolerance)},
		{"expired", good, alice.ID(), now.Add(limits.CertLife + limits.ClockTolerance + time.Second)},
		{"longer than allowed", good, alice.ID(), now.Add(-limits.ClockTolerance - time.Second)},
		{"forged", forged, wire.ID{}, now},
		{"signed with another label", labelled, wire.ID{}, now},
		{"weak key", weak, wire.ID{}, now},
	}
	list := []any{}
	for _, test := range tests {
		b := wire.AppendCert(nil, &test.cert)
		_, _, err := VerifyCert(b, static, test.want, test.at)
		list = append(list, verdict(map[string]any{
			"name": test.name, "bytes": hex.EncodeToString(b), "static": hex.EncodeToString(static[:]),
			"want": hex.EncodeToString(test.want[:]), "now": test.at.UnixMilli(), "fields": vectors.Describe(test.cert),
			"signed": hex.EncodeToString(test.cert.SignedPart(certLabel, static)),
		}, err))
	}
	return list
}

// recordCases are records of the identity of seed 0101….
func recordCases() []recordCase {
	alice := seeded(1)
	attachment := wire.Attachment{Leaf: alice.ID(), Homes: []wire.ID{seeded(2).ID(), seeded(3).ID()}}
	another := wire.Attachment{Leaf: wire.ID{0xaa, 0xbb}, Homes: []wire.ID{alice.ID()}}
	bare := wire.Contact{Role: wire.RoleLeaf}
	contact := wire.Contact{Role: wire.RoleRelay, WebRTC: true, STUN: 3478, URLs: []string{"ws://192.0.2.1:8080", "wss://node.example/mesh"}}
	topic := wire.Topic{ID: wire.ID(bytes.Repeat([]byte{9}, 20)), Payload: []byte("here")}
	nowhere := wire.Attachment{Leaf: alice.ID()}
	return []recordCase{
		{"contact", wire.RecordContact, now, 3600, wire.AppendContact(nil, &contact), contact},
		{"bare contact", wire.RecordContact, now, 60, wire.AppendContact(nil, &bare), bare},
		{"attachment", wire.RecordAttachment, now, 120, wire.AppendAttachment(nil, &attachment), attachment},
		{"withdrawn attachment", wire.RecordAttachment, now, 0, wire.AppendAttachment(nil, &nowhere), nowhere},
		{"topic", wire.RecordTopic, now, 600, wire.AppendTopic(nil, &topic), topic},
		{"oldest", wire.RecordTopic, now.Add(-900 * time.Second), 600, wire.AppendTopic(nil, &topic), topic},
		{"newest", wire.RecordTopic, now.Add(900 * time.Second), 600, wire.AppendTopic(nil, &topic), topic},

		{"too old", wire.RecordTopic, now.Add(-900*time.Second - time.Millisecond), 600, wire.AppendTopic(nil, &topic), topic},
		{"of the future", wire.RecordTopic, now.Add(900*time.Second + time.Millisecond), 600, wire.AppendTopic(nil, &topic), topic},
		{"contact for too long", wire.RecordContact, now, 3601, wire.AppendContact(nil, &contact), contact},
		{"attachment for too long", wire.RecordAttachment, now, 121, wire.AppendAttachment(nil, &attachment), attachment},
		{"topic for too long", wire.RecordTopic, now, 601, wire.AppendTopic(nil, &topic), topic},
		{"attachment of another", wire.RecordAttachment, now, 120, wire.AppendAttachment(nil, &another), another},
		{"attachment to nowhere", wire.RecordAttachment, now, 60, wire.AppendAttachment(nil, &nowhere), nowhere},
		{"body cut", wire.RecordContact, now, 60, wire.AppendContact(nil, &contact)[:20], nil},
	}
}

type recordCase struct {
	name   string
	kind   wire.RecordKind
	signed time.Time
	ttl    uint16
	body   []byte
	fields any
}

func recordVectors() any {
	alice, bob := seeded(1), seeded(2)
	list := []any{}
	for _, c := range recordCases() {
		list = append(list, recordVector(c.name, alice.Sign(c.kind, ms(c.signed), c.ttl, c.body), c.fields))
	}
	genuine := alice.Sign(wire.RecordContact, ms(now), 60, contactBody())
	forged := bytes.Clone(genuine)
	forged[len(forged)-1] ^= 1
	stolen := bytes.Clone(genuine)
	public := bob.Public()
	copy(stolen[2:], public[:])
	r, err := wire.ParseRecord(genuine)
	if err != nil {
		panic(err)
	}
	r.Sig = alice.sign(r.SignedPart("peermesh-attachment-v1"))
	return append(list,
		recordVector("forged", forged, nil),
		recordVector("another's key", stolen, nil),
		recordVector("signed with another label", wire.AppendRecord(nil, &r), nil))
}

func recordVector(name string, b []byte, body any) any {
	r, err := wire.ParseRecord(b)
	if err != nil {
		panic(err)
	}
	_, _, err = VerifyRecord(b, now)
	signer := IDOf(r.Public)
	fields := map[string]any{
		"name": name, "bytes": hex.EncodeToString(b), "now": now.UnixMilli(), "signer": hex.EncodeToString(signer[:]),
		"signed": hex.EncodeToString(r.SignedPart(recordRules[r.Kind].label)), "fields": vectors.Describe(r),
	}
	if body != nil {
		fields["body"] = vectors.Describe(body)
	}
	return verdict(fields, err)
}

func proofVectors() any {
	alice, bob := seeded(1), seeded(2)
	said := claim(alice, bob)
	proof := alice.Prove(said)
	wrongID, otherFingerprint := said, said
	wrongID.Own = seeded(3).ID()
	otherFingerprint.OtherFingerprint[0]++
	list := []any{}
	for _, test := range []struct {
		name  string
		claim Claim
	}{
		{"as said", said}, {"right signature, wrong ID", wrongID}, {"other fingerprint", otherFingerprint}, {"sent back", said.Mirror()},
	} {
		_, err := VerifyProof(proof, test.claim)
		list = append(list, verdict(map[string]any{
			"name": test.name, "bytes": hex.EncodeToString(proof), "claim": vectors.Describe(test.claim),
			"signed": hex.EncodeToString(test.claim.signedPart()),
		}, err))
	}
	return list
}

// TestWireVectorsVerify: the records inside of the link frames that package
// wire writes are genuine, as the file says.
func TestWireVectorsVerify(t *testing.T) {
	var link []struct {
		Parser string
		Fields struct{ Records, Contacts []string }
	}
	vectors.Load(t, "link", &link)
	checked := 0
	for _, v := range link {
		for _, s := range append(v.Fields.Records, v.Fields.Contacts...) {
			if _, _, err := VerifyRecord(unhex(t, s), now); err != nil {
				t.Errorf("%s: got %v for %s, want a genuine record", v.Parser, err, s)
			}
			checked++
		}
	}
	var hello []struct{ Fields struct{ Cert string } }
	vectors.Load(t, "hello", &hello)
	for _, v := range hello {
		if v.Fields.Cert == "" {
			continue
		}
		var key [32]byte
		for i := range key {
			key[i] = 0x60 + byte(i)
		}
		if _, _, err := VerifyCert(unhex(t, v.Fields.Cert), key, seeded(1).ID(), now); err != nil {
			t.Errorf("certificate: got %v, want a genuine one", err)
		}
		checked++
	}
	if checked < 5 {
		t.Errorf("got %d checked, want at least 5", checked)
	}
}
