export { CHAIN_START, chainHash } from './hash.ts'
export { createRedactor, type Redactor } from './redact.ts'
export { createTimeline, type Timeline } from './timeline.ts'
export { verifyTimeline } from './verify.ts'
