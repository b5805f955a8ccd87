import type { Refusal } from './way-out.ts'

/** The whole answer to a refused request: a status line people see, and a body that helps. */
export function refusalAnswer(refusal: Refusal): string {
  const body = refusalBody(refusal)
  return [
    `HTTP/1.1 ${refusal.status} ${statusText(refusal)}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Proxy-Agent: openexec',
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

export function refusalBody(refusal: Refusal): string {
  const { outcome, host, port, rule, reason, remedy } = refusal
  const lines = [
    outcome === 'denied'
      ? `OpenExec denied a connection to ${host}:${port}`
      : `OpenExec could not connect to ${host}:${port}`,
    `  why: ${reason}`,
    `  decided by: ${rule}`,
    ...(remedy === '' ? [] : [`  to change that: ${remedy}`]),
    '',
  ]
  return lines.join('\n')
}

/** Many programs show nothing but this line. */
export function statusText({ outcome, host, port, rule }: Refusal): string {
  const what = outcome === 'denied' ? 'Denied by policy' : 'Cannot connect'
  // Nothing of a rule or host may end the line.
  return `${what}: ${host}:${port} (${rule})`.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 300)
}
