/** Variables that ffmpeg and its drivers read. The worker's key is not among them, nor is FFREPORT, which writes files. */
const PASSED = [
  'PATH',
  'HOME',
  'TMPDIR',
  'LD_LIBRARY_PATH',
  'DYLD_LIBRARY_PATH',
  'LIBVA_DRIVER_NAME',
  'LIBVA_DRIVERS_PATH',
  'CUDA_VISIBLE_DEVICES',
  'NVIDIA_VISIBLE_DEVICES',
  'NVIDIA_DRIVER_CAPABILITIES',
];

/** The environment of every child process: an allow-list, in the C locale so that messages can be read. */
export function ffmpegEnvironment(): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { LC_ALL: 'C', AV_LOG_FORCE_NOCOLOR: '1' };
  for (const name of PASSED) if (process.env[name] !== undefined) environment[name] = process.env[name];
  return environment;
}
