// Clients of npm and of Node itself: `clients.mjs KIND ORIGIN CA`, with KIND `ws`, `h2` or `events`. One line of JSON says what they saw.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import { EventSource } from 'eventsource'
import { WebSocket } from 'ws'

const [kind, origin, caFile] = process.argv.slice(2)
const ca = readFileSync(caFile)
const LARGE = 3 << 20
const PATIENCE = 20_000

const within = (promise, what) =>
  Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error(`${what}: not in time`)), PATIENCE))])
const once = (socket, event) => within(new Promise((resolve, reject) => {
  socket.once(event, (...values) => resolve(values))
  if (event !== 'close') socket.once('error', reject)
}), event)

// Opens a WebSocket of HTTP/1.1.
const overHttp1 = async (path) => {
  const socket = new WebSocket(origin.replace('https', 'wss') + path, ['chat.v2'], { ca, maxPayload: 64 << 20 })
  const messages = []
  socket.on('message', (data, binary) => messages.push(binary ? data : data.toString()))
  await once(socket, 'open')
  return { socket, messages }
}

// Opens one on a stream of HTTP/2 (RFC 8441); the frames are those of `ws`.
let session
const overHttp2 = async (path) => {
  if (!session) {
    session = http2.connect(origin, { ca })
    await once(session, 'remoteSettings')
    assert.equal(session.remoteSettings.enableConnectProtocol, true, 'SETTINGS_ENABLE_CONNECT_PROTOCOL')
  }
  const stream = session.request({
    ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': path, ':authority': new URL(origin).host,
    'sec-websocket-version': '13', 'sec-websocket-protocol': 'chat.v2'
  })
  const [head] = await once(stream, 'response')
  assert.equal(head[':status'], 200)
  assert.equal(head['sec-websocket-protocol'], 'chat.v2')
  assert.equal(head['sec-websocket-accept'], undefined)
  const socket = new WebSocket(null, undefined, { autoPong: true })
  // Without an address it takes itself for a server's.
  socket._isServer = false
  const messages = []
  socket.on('message', (data, binary) => messages.push(binary ? data : data.toString()))
  socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 64 << 20, skipUTF8Validation: false })
  return { socket, messages }
}

const message = async (opened) => {
  const begun = Date.now()
  while (!opened.messages.length) {
    if (Date.now() - begun > PATIENCE || opened.socket.readyState > 1) throw new Error(`no message; closed with ${opened.socket._closeCode}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return opened.messages.shift()
}

async function sockets (open) {
  const held = {}
  const echo = await open('/ws/echo')
  for (const text of ['', 'a', 'été 🎒', 'x'.repeat(70_000)]) {
    echo.socket.send(text)
    assert.equal(await message(echo), text)
  }
  held.text = true
  const bytes = Buffer.from([...Array(256).keys()])
  echo.socket.send(bytes)
  assert.deepEqual(await message(echo), bytes)
  held.binary = true
  for (const part of ['in ', 'three ']) echo.socket.send(part, { fin: false })
  echo.socket.send('parts', { fin: true })
  assert.equal(await message(echo), 'in three parts')
  held.fragments = true
  const large = Buffer.alloc(LARGE, 'ab')
  echo.socket.send(large)
  assert.deepEqual(await message(echo), large)
  held.large = true
  const begun = performance.now()
  echo.socket.ping('p')
  assert.equal((await once(echo.socket, 'pong'))[0].toString(), 'p')
  held.ping = `${(performance.now() - begun).toFixed(1)} ms`
  echo.socket.close(4001, 'à plus')
  assert.equal((await once(echo.socket, 'close'))[0], 4001)
  held.closes = true
  const bye = await open('/ws/goodbye')
  const [code, reason] = bye.socket.readyState === 3 ? [bye.socket._closeCode, bye.socket._closeMessage] : await once(bye.socket, 'close')
  assert.deepEqual([code, reason.toString()], [4002, 'au revoir'])
  held.closed = true
  const asked = await open('/ws/ping')
  assert.match(await message(asked), /^0\.\d+$/)
  asked.socket.close()
  held.pinged = true
  const people = await open('/read/people')
  people.socket.send('{"ask": 7}')
  assert.deepEqual(JSON.parse(await message(people)), { id: 7, full_name: '***' })
  people.socket.close()
  held.redacted = true
  const many = await Promise.all(Array.from({ length: 60 }, () => open('/ws/many')))
  await Promise.all(many.map(async (opened, place) => {
    for (let turn = 0; turn < 20; turn++) {
      opened.socket.send(`${place} ${turn}`)
      assert.equal(await message(opened), `${place} ${turn}`)
    }
    opened.socket.close()
    await once(opened.socket, 'close')
  }))
  held.many = true
  session?.close()
  return held
}

// Goes on over the ends of its connections, as browsers do.
async function events () {
  const agent = new https.Agent({ ca })
  const get = (url, init) => new Promise((resolve, reject) => {
    const request = https.get(url, { agent, headers: init.headers }, (answer) => resolve(new Response(
      new ReadableStream({
        start (controller) {
          answer.on('data', (data) => controller.enqueue(data))
          answer.on('end', () => controller.close())
          answer.on('error', (error) => controller.error(error))
        }
      }), { status: answer.statusCode, headers: { 'content-type': answer.headers['content-type'] } })))
    request.on('error', reject)
  })
  const asked = []
  const source = new EventSource(origin + '/events/turns', {
    fetch: async (url, init) => {
      asked.push(init.headers['Last-Event-ID'] ?? null)
      const answer = await get(url.toString(), init)
      Object.defineProperty(answer, 'url', { value: url.toString() })
      return answer
    }
  })
  const seen = []
  await within(new Promise((resolve) => source.addEventListener('step', (event) => {
    const data = JSON.parse(event.data)
    seen.push([data.id, Date.now() / 1000 - data.at, event.lastEventId, data.full_name])
    if (data.id === 12) resolve()
  })), 'events')
  source.close()
  agent.destroy()
  return { seen, asked }
}

const kinds = { ws: () => sockets(overHttp1), h2: () => sockets(overHttp2), events }
try {
  console.log(JSON.stringify(await kinds[kind]()))
  process.exit(0)
} catch (error) {
  console.log(JSON.stringify({ error: error.stack }))
  process.exit(1)
}
