//go:build linux

package natlab

// shape is a kind of address translator, by its mapping and filtering of UDP
// (RFC 4787). All let TCP out.
type shape string

const (
	fullCone       shape = "full cone"       // one port for all targets; whoever sends to it gets in
	portRestricted shape = "port-restricted" // one port for all targets; only who was sent to gets in, from that port
	symmetric      shape = "symmetric"       // another port for each target; only that target gets in
	blocked        shape = "UDP blocked"     // no UDP at all
)

var shapes = []shape{fullCone, portRestricted, symmetric, blocked}

// inbound drops what nobody inside asked for. It also drops what the translator
// itself is sent: without this Linux keeps track of an early packet of a peer as
// of a connection to the translator, and then maps the answer to another port, so
// that no hole is punched. Home routers drop it too.
const inbound = `
table ip inbound {
	chain own { type filter hook input priority filter; policy accept;
		iifname "wan" drop
	}
	chain through { type filter hook forward priority filter; policy accept;
		iifname "wan" ct state established,related accept
		iifname "wan" ct status dnat accept
		iifname "wan" drop
	}
}
`

// masquerade keeps the port where it is free, and so for every target.
const masquerade = `
table ip translate {
	chain out { type nat hook postrouting priority srcnat; policy accept;
		oifname "wan" masquerade
	}
}
`

// rules are the translators in the language of nft. None of them translates
// what comes from inside for the outer address (no hairpin).
var rules = map[shape]string{
	portRestricted: inbound + masquerade,

	// Who has sent from a port has it as long as the map remembers.
	fullCone: inbound + masquerade + `
table ip cone {
	map owner { type inet_service : ipv4_addr; flags dynamic,timeout; timeout 5m; size 4096; }
	chain learn { type filter hook forward priority filter; policy accept;
		oifname "wan" meta l4proto udp update @owner { udp sport : ip saddr }
	}
	chain in { type nat hook prerouting priority dstnat; policy accept;
		iifname "wan" meta l4proto udp dnat to udp dport map @owner
	}
}
`,

	symmetric: inbound + `
table ip translate {
	chain out { type nat hook postrouting priority srcnat; policy accept;
		oifname "wan" masquerade fully-random
	}
}
`,

	blocked: inbound + masquerade + `
table ip blocked {
	chain through { type filter hook forward priority filter; policy accept;
		meta l4proto udp drop
	}
}
`,
}
