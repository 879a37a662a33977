package main

import "regexp"

// password is what stands before the last @ of a URL or of an ICE server's text.
var password = regexp.MustCompile(`\b((?:turn|wss?|https?):(?://)?[^\s:@/"]*:)[^\s"]*@`)

// iceForm is how a TURN server is written in what tells how to; it is no secret.
const iceForm = "turn:user:password@"

// masked is a text without the passwords in it.
func masked(text string) string {
	return password.ReplaceAllStringFunc(text, func(found string) string {
		if found == iceForm {
			return found
		}
		return password.ReplaceAllString(found, "$1***@")
	})
}
