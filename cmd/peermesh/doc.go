// Command peermesh runs a node of a mesh and talks to other nodes.
//
// Without a command it runs a node until it is told to stop:
//
//	peermesh --port 8080
//	peermesh --port 8081 --bootstrap ws://127.0.0.1:8080
//
// The commands send, request, ping, trace, lookup and listen join a mesh
// themselves, as a leaf, do one thing and leave:
//
//	peermesh listen --bootstrap ws://127.0.0.1:8080
//	peermesh send ID hello --bootstrap ws://127.0.0.1:8080
//
// The commands status, peers and top look at a node that runs on this machine:
//
//	peermesh status
//	peermesh peers --sort rtt --watch 1s
//
// Data goes to standard output, talk to standard error. Every command that
// prints data takes --json; its objects, one on each line, carry "v":1.
//
// # Exit codes
//
//	  0  done
//	  1  an error that has no code of its own
//	  2  the command line or a setting is wrong
//	  3  no running node to look at
//	  4  no route to the node
//	  5  no answer in time, from a bootstrap URL or from the node
//	  6  refused by the node, for instance because nobody listens there
//	130  interrupted
//
// # Settings
//
// Each flag --foo-bar is also read from the environment as PEERMESH_FOO_BAR;
// the port is then also read from PORT. A flag wins over the environment.
package main
