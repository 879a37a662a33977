'use strict'
// Shows status.json, every two seconds. What peers say of themselves is put in
// as text, never as HTML.
const $ = (id) => document.getElementById(id)
const every = 2000
let last = null

function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let i = 0
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024
  return (i && n < 10 ? n.toFixed(1) : Math.round(n)) + ' ' + units[i]
}

function time(ns) {
  if (!ns) return '-'
  const ms = ns / 1e6
  if (ms < 1000) return ms.toFixed(ms < 10 ? 1 : 0) + ' ms'
  const s = Math.floor(ms / 1000)
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'm'], [1, 's']]
  const out = []
  let left = s
  for (const [size, name] of parts) {
    if (left >= size && out.length < 2) out.push(Math.floor(left / size) + name)
    left %= size
  }
  return out.join(' ')
}

function fill(id, head, rows, none) {
  const line = (cells, tag) => {
    const tr = document.createElement('tr')
    for (const c of cells) {
      const el = document.createElement(tag)
      el.textContent = c
      tr.append(el)
    }
    return tr
  }
  $(id).replaceChildren(...(rows.length ? [line(head, 'th'), ...rows.map((r) => line(r, 'td'))] : [line([none], 'td')]))
}

function rate(now, name) {
  if (!last || last.id !== now.id) return 0
  const seconds = (now.uptimeNs - last.uptimeNs) / 1e9
  return seconds > 0 ? Math.max(0, (now[name] - last[name]) / seconds) : 0
}

function show(s) {
  $('version').textContent = s.version
  $('id').textContent = s.id + (s.leaf ? '  leaf' : '')
  $('level').textContent = s.logLevel || 'unknown'
  $('facts').textContent = ['up ' + time(s.uptimeNs), s.sessions + ' sessions', ...s.urls, ...s.homes.map((h) => 'home ' + h.slice(0, 8))].join(' · ')
  $('health').replaceChildren(...(s.health.length ? s.health : [{ text: 'Nothing is wrong.' }]).map((h) => {
    const li = document.createElement('li')
    li.textContent = h.text + (h.hint ? ' - ' + h.hint : '')
    if (h.level === 'warn') li.className = 'bad'
    return li
  }))
  $('peercount').textContent = s.peers.length
  fill('peers', ['peer', 'via', 'dir', 'role', 'bucket', 'rtt', 'up', 'received', 'sent', 'queue', 'address', 'agent'],
    s.peers.map((p) => [p.id.slice(0, 8), p.transport, p.outbound ? 'out' : 'in', p.leaf ? 'leaf' : 'relay', p.bucket,
      time(p.rttNs), time(p.ageNs), bytes(p.rxBytes), bytes(p.txBytes), Math.round(p.queueFill * 100) + ' %', p.address, p.agent || '']), 'none')
  fill('bootstraps', ['url', 'state', 'tries', 'last error'], s.bootstraps.map((b) => [b.url,
    b.linked ? 'linked with ' + b.peer.slice(0, 8) : b.nextTry ? 'next try ' + new Date(b.nextTry).toLocaleTimeString() : 'trying', b.attempts, b.lastError || '']), 'none')
  fill('traffic', ['', 'total', 'per second'], [['forwarded', s.forwarded, Math.round(rate(s, 'forwarded'))], ['delivered', s.delivered, Math.round(rate(s, 'delivered'))],
    ...s.traffic.flatMap((t) => [['received by ' + t.transport, bytes(t.rxBytes), ''], ['sent by ' + t.transport, bytes(t.txBytes), '']])])
  fill('drops', ['reason', 'count'], Object.entries(s.drops).sort((a, b) => b[1] - a[1]), 'nothing')
  fill('table', ['bucket', 'links'], s.table.map((b) => [b.bucket, b.links]), 'empty')
  fill('limits', ['limit', 'used', 'of'], s.limits.map((l) => [l.name, l.used, l.max]))
  last = s
}

async function refresh() {
  try {
    if (!document.hidden) {
      const answer = await fetch('status.json')
      if (!answer.ok) throw new Error(await answer.text())
      show(await answer.json())
      $('alarm').hidden = true
    }
  } catch (err) {
    $('alarm').textContent = 'The node does not answer: ' + err.message
    $('alarm').hidden = false
  }
  setTimeout(refresh, every)
}
refresh()
