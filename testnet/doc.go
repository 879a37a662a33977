// Package testnet runs whole meshes in one process: real nodes on real sockets
// (Start, New), or thousands of simulated ones in virtual time (Sim).
//
// In both forms each node is started with the address of one random running
// node and nothing else; what comes of it is the mesh's own doing.
package testnet
