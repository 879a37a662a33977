// Package hint says in words what a reason means and what to do about it. The
// commands, doctor and the admin page say the same, as they all ask here.
package hint
