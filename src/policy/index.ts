export { checkChangedPaths } from './changed-paths.ts'
export { compileConfinement, confinementDigest } from './confinement.ts'
export { mustSee, secretHeader, secretsFor, seenNames } from './bound-secrets.ts'
export { declaredSecret, expandSecrets, type SecretGrant } from './operator-secrets.ts'
export { canonicalHost } from './host.ts'
export { deniesRead } from './deny-read.ts'
export { type AddressClass, classifyAddress } from './address.ts'
export { evaluate } from './evaluate.ts'
export { widenings } from './found-policy.ts'
export { explainPolicy } from './explain.ts'
export {
  decideNetwork,
  decideRequest,
  namesAddress,
  type NetworkList,
  networkList,
  type Permission,
} from './network.ts'
export { learnNetwork, learntYaml, type NetworkUse } from './learn-network.ts'
export { networkEnv } from './network-env.ts'
export { overridePolicy, stageMode } from './narrow.ts'
export { Policy } from './policy.ts'
export { defaultPolicy, readPolicy } from './read-policy.ts'
export { renderExplanation } from './render-explanation.ts'
export { expandPresets, type PresetHosts } from './presets.ts'
export { type RecordedDecision, simulate } from './simulate.ts'
export { PolicySnapshot, policySnapshot } from './snapshot.ts'
