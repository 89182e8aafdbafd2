static int8_t ek_clamp(int32_t value, const ek_grid *grid)
{
    value += grid->zero_point;
    if (value < grid->lowest) {
        return grid->lowest;
    }
    return value > grid->highest ? grid->highest : (int8_t)value;
}
