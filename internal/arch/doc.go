// Package arch holds no code: its tests keep the shape of the house.
//
// They enforce who may import whom, which packages are pure, which package
// alone may use which library, that each package says what it is, and what
// bounds each field that remote peers can make grow. A test
// that fails prints the reason of the rule that is broken. To change the shape,
// change the table in table_test.go and say why in docs/adr.
package arch
