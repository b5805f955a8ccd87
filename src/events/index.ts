export { rebuildMirror } from './mirror.ts'
export { createRedactor, type Redactor } from './redact.ts'
export { createTimeline, PAYLOAD_BYTES_MAX, type Timeline } from './timeline.ts'
export { verifyTimeline } from './verify.ts'
