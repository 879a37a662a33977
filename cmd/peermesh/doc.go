// Command peermesh runs a node of a mesh and talks to other nodes.
//
// Without a command it runs a node until it is told to stop:
//
//	peermesh --port 8080
//	peermesh --port 8081 --bootstrap ws://127.0.0.1:8080
//
// The commands send, request, ping, trace, lookup, bench and listen join a mesh
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
// The command doctor looks at what a node would meet, config at its settings.
//
// Data goes to standard output, talk to standard error. Every command that
// prints data takes --json; its objects, one on each line, carry "v":1.
//
// # Exit codes
//
//	  0  done
//	  1  an error that has no code of its own
//	  2  the command line or a setting is wrong
//	  3  no running node to look at, or no admin page where --admin says
//	  4  no route: nobody who answered knows a way to that ID
//	  5  no answer: no bootstrap URL leads to a node that runs, or the node took too long
//	  6  a node that runs refused, for instance because nobody listens there
//	130  interrupted
//
// # Settings
//
// Each flag --foo-bar is also read from the environment as PEERMESH_FOO_BAR;
// the port is then also read from PORT. A node without a command reads the rest
// from a file of TOML whose keys are the names of its flags: that of --config, or
// peermesh/config.toml in the user's directory for such files. A flag wins over
// the environment, that over the file, that over the default. There is no default
// for --state: without one each start has a fresh identity.
package main
