// Package secret hides what a URL must not tell: passwords, tokens, and whatever
// stands in a query.
//
// [URL] holds the text that a user gave, and prints it masked by every way that a
// value is printed: fmt with any verb, log/slog, JSON, text. [URL.Reveal] alone
// returns the text itself, for the dialler. [Text] masks the URLs within a text
// that somebody else wrote.
package secret
