// Package testnet runs whole meshes in one process: real nodes on real sockets
// (Start, New), or thousands of simulated ones in virtual time (Sim).
//
// In both forms each node is started with the address of one random running
// node and nothing else; what comes of it is the mesh's own doing.
//
// In both forms links may have lines (Line): slow, long, lossy or shared ones. Real
// nodes have them in real time, in front of their own TCP; in virtual time a link on
// a line goes over a modelled TCP connection.
package testnet
