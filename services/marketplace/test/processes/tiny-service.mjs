// The smallest program that behaves like a service: it says when it serves, answers with its process id, and drains.
import { createServer } from 'node:http'

const { DRAIN_MS = '0', FAIL = '', PORT } = process.env
process.stdout.write('a line before\n')
process.stderr.write(`started ${process.pid}\n`)
if (FAIL === 'at once') process.exit(3)

const server = createServer((request, response) => {
  if (request.url === '/crash') process.exit(7)
  response.end(String(process.pid))
})
if (FAIL !== 'silently') {
  server.listen(Number(PORT), '127.0.0.1', () => {
    process.stdout.write(`${JSON.stringify({ ready: 'tiny', url: `http://127.0.0.1:${PORT}` })}\n`)
  })
}
if (FAIL !== 'to end') process.on('SIGTERM', () => setTimeout(() => process.exit(0), Number(DRAIN_MS)))
else process.on('SIGTERM', () => undefined)
setInterval(() => undefined, 1_000)
