// Package admin shows a running node to whoever runs it: an HTTP listener on
// loopback with the node's status in JSON, its metrics, a page for people, the
// profiles of the process and the level of its log.
//
//	GET /             a page that shows what /status.json says, every two seconds
//	GET /status.json  a [Status], "v":1
//	GET /metrics      the same in the text form of Prometheus
//	GET /healthz      200 while the node serves, 503 once it leaves
//	GET /log-level    the least level that is logged
//	PUT /log-level    sets it: debug, info, warn or error in the body
//	GET /debug/pprof/ profiles of the process
//
// # Who may ask
//
// There is no password. The listener is on loopback alone, so who asks runs a
// program on this machine. Three kinds of others are kept out:
//
//   - A web page whose name was made to lead to 127.0.0.1 (DNS rebinding): a
//     request that names another host than localhost or a loopback address is
//     answered 403. The port is not looked at, so that ssh -L works.
//   - A web page that sends the browser here without being able to read the
//     answer: what a browser marks as coming from another site gets the page at
//     / and nothing else, so that no stranger's page can start a profile.
//   - The same for what changes something: setting the log level needs the
//     header [Header], which a page of another site may send only after this
//     listener had allowed it, and it never does.
//
// A token would keep out the other users of this machine too. They learn what
// the node's peers and their addresses are, and can make the log longer; they
// cannot send, read or end anything. Where that is too much, there is no
// listener: peermesh --admin off.
//
// # Finding it
//
// [Register] writes a file that says where the listener of a process is, and
// [Running] reads those of all that still run.
package admin
