// Fills a table of 100 times, 0.00 to 0.99.
//
// xray: --kernel fill_times --block 1 --check
// xray: --arg zeros:f32:100 --arg 1.0 --arg 0.01

extern "C" __global__ void fill_times(float* times, float end, float step) {
  const int count = static_cast<int>(rintf(end / step));
  for (int i = 0; i < count; ++i) {
    times[i] = i * step;
  }
}
