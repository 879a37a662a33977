// Package natlab runs the built program behind real address translators, beside
// crowds of other hosts, and with real proxies, forward and reverse, between: the
// network namespaces, bridges and packet filters of Linux. It holds tests alone. They
// need root, and the programs ip and nft, and some the proxies. Where one of these is
// missing they skip, unless REQUIRE_LAB_TOOLS is set; a lab that cannot be built with
// them is a failure.
//
// Each cell of the lab is a network of its own, with nothing of the machine's
// in it:
//
//	        r1 5.1.0.1    r2 5.2.0.1        relays
//	             \          /
//	              wan (bridge)
//	             /          \
//	 5.11.0.1 nat1        nat2 5.12.0.1     translators, one of the shapes each
//	          |              |
//	192.168.1.2 a        b 192.168.2.2      nodes without a URL
//
// A line is a process that moves packets between two TUN devices, with a rate, a delay, a
// queue and loss: flows of messages go over it, and bare TCP beside them. -long makes
// them last as long as their figures ask for.
//
// The tests without a translator put a node on one host of the wide net, and pages,
// proxies, leaves and floods on others: each host is of another group of addresses.
//
// The addresses of the wide net look public and are seen by nobody: no
// namespace has a link to the machine that runs the lab. All that the lab makes
// has the process's number in its name, so that a later run can sweep up what a
// run that was killed has left.
package natlab
